import { command, hidden, text } from '@postern/cli';
import { failure, parseDuration, uuidv7 } from '@postern/core';

const OneTarget = failure(
  'invalid_argument',
  'tctl.lock_one_target',
  () =>
    'say what to lock with exactly one of --user, --role, --session, --agent and --kube-cluster; make a lock for each',
);

const InvalidLockEnd = failure(
  'invalid_argument',
  'tctl.invalid_lock_end',
  () => 'the lock must end later than now: write --ttl like 12h, or --expires like 2030-01-02T15:04:05Z',
);

export const lock = command({
  name: 'lock',
  summary: 'Lock a user, role, session, agent or cluster: refuse it everywhere, and cut what is open',
  args: {},
  flags: {
    user: text('--user <name>', 'A user; a bot is bot-<name>'),
    role: text('--role <name>', 'A role: everybody who holds it'),
    session: text('--session <id>', 'A signed-in session, as tctl audit ls --format json shows it'),
    agent: text('--agent <id>', 'An agent, as tctl inventory ls shows it'),
    serverId: hidden(text('--server-id <id>', 'The same')),
    kubeCluster: text('--kube-cluster <name>', 'A Kubernetes cluster'),
    message: text('--message <text>', 'Shown to whoever is refused'),
    ttl: text('--ttl <duration>', 'How long it lasts; until it is removed where neither end is given'),
    expires: text('--expires <time>', 'When it ends'),
  },
  async run(context, { flags }) {
    const { user, role, session, agent, serverId, kubeCluster, message } = flags;
    const fields = { user, role, session, server_id: agent ?? serverId, kube_cluster: kubeCluster };
    const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '');
    if (given.length !== 1) throw OneTarget();
    const expires = endOf(flags, context.clock());
    const name = uuidv7(context.clock().getTime());
    const api = await context.api();
    await api.resources.create({
      kind: 'lock',
      version: 'v2',
      metadata: { name },
      spec: {
        target: Object.fromEntries(given),
        ...(message ? { message } : {}),
        ...(expires ? { expires } : {}),
      },
    });
    context.terminal.print(`Created a lock with name "${name}".`);
  },
});

interface Ends {
  readonly ttl: string | undefined;
  readonly expires: string | undefined;
}

function endOf({ ttl, expires }: Ends, now: Date): string | undefined {
  if (ttl === undefined && expires === undefined) return undefined;
  if (ttl !== undefined && expires !== undefined) throw InvalidLockEnd();
  const at = ttl === undefined ? Date.parse(expires!) : now.getTime() + parseDuration(ttl);
  if (Number.isNaN(at) || at <= now.getTime()) throw InvalidLockEnd();
  return new Date(at).toISOString();
}
