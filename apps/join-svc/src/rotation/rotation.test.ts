import type { RotationPhase } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import {
  continuesAt,
  type Mover,
  phasesAfter,
  type RotationCommand,
  rotationDecider,
  type RotationState,
} from './rotation.ts';

const at = '2026-11-28T12:00:00.000Z';
const mover: Mover = { by: 'spiffe://postern/user/admin', at, behind: 0, total: 5, force: false };
const phases: readonly RotationPhase[] = ['standby', 'init', 'update_clients', 'update_servers', 'rollback'];

function start(mode: 'manual' | 'automatic' = 'manual', id = 'r1'): RotationCommand {
  const authorities = (['host', 'user'] as const).map((use) => ({
    use,
    pin: `${use}-of-${id}`,
    replaces: `${use}-before`,
    certificate: '',
  }));
  const started = { rotationId: id, mode, graceSeconds: 90, by: mover.by, at, authorities };
  return { type: 'Start', started };
}

const moveTo = (to: RotationPhase, changes: Partial<Mover> = {}): RotationCommand =>
  to === 'init' ? start() : { type: 'Move', to, mover: { ...mover, ...changes } };

function run(state: RotationState, command: RotationCommand): RotationState {
  return rotationDecider.decide(command, state).reduce(rotationDecider.evolve, state);
}

const inPhase: Readonly<Record<RotationPhase, RotationState>> = (() => {
  const init = run(rotationDecider.initial, start());
  const clients = run(init, moveTo('update_clients'));
  const servers = run(clients, moveTo('update_servers'));
  return {
    standby: rotationDecider.initial,
    init,
    update_clients: clients,
    update_servers: servers,
    rollback: run(init, moveTo('rollback')),
  };
})();

describe('the phases of a rotation (C-13)', () => {
  test.each(phases.flatMap((from) => phases.map((to) => [from, to] as const)))(
    'from %s to %s',
    (from, to) => {
      const allowed = phasesAfter(from);
      if (allowed.includes(to)) expect(run(inPhase[from], moveTo(to)).phase).toBe(to);
      else
        expect(() => run(inPhase[from], moveTo(to))).toThrow(
          `in the phase ${from}, after which ${to} cannot come: give ${allowed.join(' or ')}`,
        );
    },
  );

  test('end with the new authorities, or with those before', () => {
    const rotated = run(inPhase.update_servers, moveTo('standby'));
    expect(rotated).toMatchObject({ standing: { host: 'host-of-r1', user: 'user-of-r1' }, lastRotated: at });
    expect(rotated.current).toBeUndefined();
    const back = run(inPhase.rollback, moveTo('standby'));
    expect(back).toEqual(rotationDecider.initial);
  });

  test('retire what was replaced, or what was to replace it', () => {
    const [rotated] = rotationDecider.decide(moveTo('standby'), inPhase.update_servers);
    expect(rotated?.data).toMatchObject({ outcome: 'rotated', retired: ['host-before', 'user-before'] });
    const [back] = rotationDecider.decide(moveTo('standby'), inPhase.rollback);
    expect(back?.data).toMatchObject({ outcome: 'rolled_back', retired: ['host-of-r1', 'user-of-r1'] });
  });

  test('wait for those that have not followed, unless forced; turning back waits for nobody', () => {
    const behind = { behind: 2 };
    expect(() => run(inPhase.init, moveTo('update_clients', behind))).toThrow(
      '2 of 5 joined processes have not followed the phase init',
    );
    expect(run(inPhase.init, moveTo('update_clients', { ...behind, force: true })).phase).toBe(
      'update_clients',
    );
    expect(run(inPhase.init, moveTo('rollback', behind)).phase).toBe('rollback');
  });
});

describe('the schedule of a rotation', () => {
  const automatic = run(rotationDecider.initial, start('automatic'));
  const scheduled = (rotationId: string, from: RotationPhase): RotationCommand => ({
    type: 'Continue',
    rotationId,
    from,
    mover: { ...mover, force: true },
  });

  test('gives each phase a third of the grace period, and a manual one none', () => {
    expect(continuesAt(automatic)).toEqual(new Date('2026-11-28T12:00:30.000Z'));
    expect(continuesAt(inPhase.init)).toBeUndefined();
    expect(continuesAt(rotationDecider.initial)).toBeUndefined();
  });

  test('moves on once, however many replicas follow it', () => {
    const moved = run(automatic, scheduled('r1', 'init'));
    expect(moved.phase).toBe('update_clients');
    expect(rotationDecider.decide(scheduled('r1', 'init'), moved)).toEqual([]);
    expect(rotationDecider.decide(scheduled('another', 'update_clients'), moved)).toEqual([]);
  });

  test('ends a rotation that was turned back as well', () => {
    const back = run(automatic, moveTo('rollback'));
    expect(run(back, scheduled('r1', 'rollback'))).toMatchObject({ phase: 'standby', standing: {} });
  });
});

/** A generator of numbers that a seed repeats (mulberry32). */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

describe('any commands in any order', () => {
  test.each(Array.from({ length: 50 }, (_, seed) => seed))('leave one rotation or none (seed %i)', (seed) => {
    const random = seeded(seed);
    let state = rotationDecider.initial;
    for (let step = 0; step < 200; step += 1) {
      const before = state;
      const to = phases[random(phases.length)]!;
      const command = random(4) === 0 ? start('automatic', `r${step}`) : moveTo(to);
      try {
        state = run(before, command);
        expect(phasesAfter(before.phase)).toContain(state.phase);
      } catch (error) {
        expect(error).toMatchObject({ code: 'join.rotation_out_of_order' });
        expect(state).toBe(before);
      }
      // There is a rotation exactly while something is trusted beside what stands, and it always ends in standby.
      expect(state.current === undefined).toBe(state.phase === 'standby');
      if (state.phase === 'standby' && before.phase === 'rollback')
        expect(state.standing).toEqual(before.standing);
    }
    for (let steps = 0; state.phase !== 'standby'; steps += 1) {
      expect(steps).toBeLessThan(4);
      state = run(state, moveTo(phasesAfter(state.phase)[0]!));
    }
  });
});
