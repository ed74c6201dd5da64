import {
  AuthorityRotationAdvanced,
  AuthorityRotationEnded,
  AuthorityRotationStarted,
  type DataOf,
  type EventOf,
  type RotationMode,
  type RotationPhase,
} from '@postern/contracts';
import { assertNever, failure } from '@postern/core';

/** A phase that cannot come now. */
export const PhaseOutOfOrder = failure(
  'failed_precondition',
  'join.rotation_out_of_order',
  (wanted: string, phase: string, next: readonly string[]) =>
    `the rotation is in the phase ${phase}, after which ${wanted} cannot come: give ${next.join(' or ')}`,
);

/** Going on would lock somebody out, or have somebody refused. */
export const NotFollowed = failure(
  'failed_precondition',
  'join.rotation_not_followed',
  (behind: number, total: number, phase: string) =>
    `${behind} of ${total} joined processes have not followed the phase ${phase} yet and may be refused when it goes on: ` +
    'wait until tctl status shows that all have, or go on with --force; those that are refused then join again by themselves',
);

/** What an authority certifies: agents, services and edges; or people and bots. */
export type AuthorityUse = 'host' | 'user';

/** A rotation under way. Times are RFC 3339. */
export interface Rotation {
  readonly rotationId: string;
  readonly mode: RotationMode;
  readonly graceSeconds: number;
  readonly startedAt: string;
  readonly phaseSince: string;
  /** Pins of the new authorities, and of those that they replace. */
  readonly candidates: Readonly<
    Partial<Record<AuthorityUse, { readonly pin: string; readonly replaces: string }>>
  >;
}

/** Where the authorities of a cluster stand. */
export interface RotationState {
  readonly phase: RotationPhase;
  readonly current: Rotation | undefined;
  /** Pins of the authorities that replaced the first ones. */
  readonly standing: Readonly<Partial<Record<AuthorityUse, string>>>;
  readonly lastRotated: string | undefined;
}

/** Who moves a rotation and when. `behind` of `total` joined processes have not followed the phase so far. */
export interface Mover {
  readonly by: string;
  readonly at: string;
  readonly behind: number;
  readonly total: number;
  readonly force: boolean;
}

export type RotationCommand =
  | { readonly type: 'Start'; readonly started: DataOf<typeof AuthorityRotationStarted> }
  | { readonly type: 'Move'; readonly to: RotationPhase; readonly mover: Mover }
  /** By the schedule: it does nothing when somebody else has moved on from that phase of that rotation. */
  | {
      readonly type: 'Continue';
      readonly rotationId: string;
      readonly from: RotationPhase;
      readonly mover: Mover;
    };

export type RotationEvent = EventOf<
  typeof AuthorityRotationStarted | typeof AuthorityRotationAdvanced | typeof AuthorityRotationEnded
>;

const following: Readonly<Record<RotationPhase, readonly RotationPhase[]>> = {
  standby: ['init'],
  init: ['update_clients', 'rollback'],
  update_clients: ['update_servers', 'rollback'],
  update_servers: ['standby', 'rollback'],
  rollback: ['standby'],
};

/** The phases that may come after one; the first is the one that a schedule takes. */
export function phasesAfter(phase: RotationPhase): readonly RotationPhase[] {
  return following[phase];
}

/** When the schedule moves on: after a third of the grace period in each phase. Undefined where a person does. */
export function continuesAt({ current }: RotationState): Date | undefined {
  if (current?.mode !== 'automatic') return undefined;
  return new Date(Date.parse(current.phaseSince) + (current.graceSeconds * 1000) / 3);
}

const initial: RotationState = { phase: 'standby', current: undefined, standing: {}, lastRotated: undefined };

function decide(command: RotationCommand, state: RotationState): RotationEvent[] {
  switch (command.type) {
    case 'Start':
      requireNext(state, 'init');
      return [AuthorityRotationStarted(command.started)];
    case 'Move':
      return move(state, command.to, command.mover);
    case 'Continue': {
      if (state.current?.rotationId !== command.rotationId || state.phase !== command.from) return [];
      return move(state, phasesAfter(state.phase)[0]!, command.mover);
    }
    default:
      return assertNever(command);
  }
}

function requireNext({ phase }: RotationState, wanted: RotationPhase): void {
  if (!following[phase].includes(wanted)) throw PhaseOutOfOrder(wanted, phase, following[phase]);
}

function move(state: RotationState, to: RotationPhase, mover: Mover): RotationEvent[] {
  requireNext(state, to);
  const { phase, current } = state;
  // The one phase after standby is begun by `Start`, which has the new authorities.
  if (!current || to === 'init') throw PhaseOutOfOrder(to, phase, following[phase]);
  const { by, at, behind, total, force } = mover;
  if (behind > 0 && !force && to !== 'rollback') throw NotFollowed(behind, total, phase);
  const fact = { rotationId: current.rotationId, by, at, behind };
  if (to !== 'standby') return [AuthorityRotationAdvanced({ ...fact, phase: to })];
  const outcome = phase === 'rollback' ? 'rolled_back' : 'rotated';
  const candidates = Object.values(current.candidates);
  const retired = candidates.map(({ pin, replaces }) => (outcome === 'rotated' ? replaces : pin));
  return [AuthorityRotationEnded({ ...fact, outcome, retired })];
}

function evolve(state: RotationState, event: RotationEvent): RotationState {
  switch (event.type) {
    case 'AuthorityRotationStarted':
      return { ...state, phase: 'init', current: begun(event.data) };
    case 'AuthorityRotationAdvanced': {
      const { phase, at } = event.data;
      return { ...state, phase, current: state.current && { ...state.current, phaseSince: at } };
    }
    case 'AuthorityRotationEnded':
      return ended(state, event.data);
    default:
      return assertNever(event);
  }
}

function begun({
  rotationId,
  mode,
  graceSeconds,
  at,
  authorities,
}: DataOf<typeof AuthorityRotationStarted>): Rotation {
  const candidates = Object.fromEntries(
    authorities.map(({ use, pin, replaces }) => [use, { pin, replaces }]),
  );
  return { rotationId, mode, graceSeconds, startedAt: at, phaseSince: at, candidates };
}

function ended(state: RotationState, { outcome, at }: DataOf<typeof AuthorityRotationEnded>): RotationState {
  if (outcome === 'rolled_back') return { ...state, phase: 'standby', current: undefined };
  const { host, user } = state.current?.candidates ?? {};
  const standing = {
    ...state.standing,
    ...(host ? { host: host.pin } : {}),
    ...(user ? { user: user.pin } : {}),
  };
  return { phase: 'standby', current: undefined, standing, lastRotated: at };
}

export const rotationDecider = {
  initial,
  decide,
  evolve,
  events: [AuthorityRotationStarted, AuthorityRotationAdvanced, AuthorityRotationEnded],
};
