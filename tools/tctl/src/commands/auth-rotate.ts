import { command, formatOf, jsonText, on, text, textOr } from '@postern/cli';
import type { RotateRequest } from '@postern/contracts';
import { failure, parseDuration } from '@postern/core';
import { rotationText } from '../auth/rotation-text.ts';

const PhaseNeeded = failure(
  'invalid_argument',
  'tctl.rotation_phase',
  () =>
    'a manual rotation is moved by --manual --phase=<phase>: init, update_clients, update_servers, standby or rollback; ' +
    'without both, an automatic one begins',
);

const ShortGrace = failure(
  'invalid_argument',
  'tctl.rotation_grace_period',
  () => '--grace-period must be between 3s and 365 days, for every phase takes a third of it',
);

const phases = ['init', 'update_clients', 'update_servers', 'standby', 'rollback'] as const;

export const authRotate = command({
  name: 'auth rotate',
  summary: 'Replace the certificate authorities, step by step or by a schedule',
  args: {},
  flags: {
    type: textOr(
      'all',
      '--type <type>',
      'What is replaced: host (agents, services, edges), user (people, bots) or all',
    ),
    manual: on('--manual', 'Move it by hand, with --phase; by a schedule otherwise'),
    phase: text('--phase <phase>', 'init, update_clients, update_servers, standby, or rollback'),
    gracePeriod: textOr('48h', '--grace-period <duration>', 'How long an automatic rotation takes in all'),
    force: on('--force', 'Go on although some processes have not followed; they join again then'),
    format: textOr('text', '--format <format>', 'text or json'),
  },
  async run(context, { flags }) {
    const format = formatOf(flags.format, ['text', 'json']);
    const view = await (await context.api()).rotate(requestOf(flags));
    if (format === 'json') context.terminal.write(jsonText(view));
    else context.terminal.print(`${rotationText(view)}See tctl status for how far it is.`);
  },
});

interface Wanted {
  readonly type: string;
  readonly manual: boolean;
  readonly phase: string | undefined;
  readonly gracePeriod: string;
  readonly force: boolean;
}

function requestOf({ type: wanted, manual, phase: given, gracePeriod, force }: Wanted): RotateRequest {
  const type = formatOf(wanted, ['host', 'user', 'all']);
  if (manual !== (given !== undefined)) throw PhaseNeeded();
  if (given === undefined)
    return { phase: 'init', type, mode: 'automatic', graceSeconds: secondsOf(gracePeriod) };
  const phase = formatOf(given, phases);
  return phase === 'init' ? { phase, type, mode: 'manual' } : { phase, ...(force ? { force } : {}) };
}

function secondsOf(duration: string): number {
  const seconds = Math.floor(parseDuration(duration) / 1000);
  if (seconds < 3 || seconds > 31_536_000) throw ShortGrace();
  return seconds;
}
