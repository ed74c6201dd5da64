import { command, hidden, text } from '@postern/cli';
import type { Api } from '@postern/client';
import { AppError, failure, parseDuration, uuidv7 } from '@postern/core';

const OneTarget = failure(
  'invalid_argument',
  'tctl.lock_one_target',
  () =>
    'say what to lock with exactly one of --user, --role, --session, --agent, --token and --kube-cluster; make a lock for each',
);

const InvalidLockEnd = failure(
  'invalid_argument',
  'tctl.invalid_lock_end',
  () => 'the lock must end later than now: write --ttl like 12h, or --expires like 2030-01-02T15:04:05Z',
);

export const lock = command({
  name: 'lock',
  summary:
    'Lock a user, role, session, agent, join token or cluster: refuse it everywhere, and cut what is open',
  args: {},
  flags: {
    user: text('--user <name>', 'A user; a bot is bot-<name>'),
    role: text('--role <name>', 'A role: everybody who holds it'),
    session: text('--session <id>', 'A signed-in session, as tctl audit ls --format json shows it'),
    agent: text('--agent <id>', 'An agent, as tctl inventory ls shows it'),
    serverId: hidden(text('--server-id <id>', 'The same')),
    token: text(
      '--token <token>',
      'A join token, and all agents that joined by it; sha256:<tokenId> does as well',
    ),
    joinToken: hidden(text('--join-token <token>', 'The same')),
    kubeCluster: text('--kube-cluster <name>', 'A Kubernetes cluster'),
    message: text('--message <text>', 'Shown to whoever is refused'),
    ttl: text('--ttl <duration>', 'How long it lasts; until it is removed where neither end is given'),
    expires: text('--expires <time>', 'When it ends'),
  },
  async run(context, { flags }) {
    const { user, role, session, agent, serverId, kubeCluster, message } = flags;
    const token = flags.token ?? flags.joinToken;
    const fields = {
      user,
      role,
      session,
      server_id: agent ?? serverId,
      join_token: token,
      kube_cluster: kubeCluster,
    };
    const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '');
    if (given.length !== 1) throw OneTarget();
    const expires = endOf(flags, context.clock());
    const name = uuidv7(context.clock().getTime());
    const api = await context.api();
    const description = token ? await describeToken(api, token) : undefined;
    await api.resources.create({
      kind: 'lock',
      version: 'v2',
      metadata: { name, ...(description ? { description } : {}) },
      spec: {
        target: Object.fromEntries(given),
        ...(message ? { message } : {}),
        ...(expires ? { expires } : {}),
      },
    });
    if (token && !description) context.terminal.note(unknownToken);
    context.terminal.print(`Created a lock with name "${name}".`);
  },
});

const unknownToken =
  'No such token is there now, or you may not see it: the lock stops whoever joined by it.';

/** Locks keep the hash of a token's name only. What may be shown of it is said beside. */
async function describeToken(api: Api, token: string): Promise<string | undefined> {
  if (token.startsWith('sha256:')) return `join token ${token}`;
  const found = await api.resources.get('token', token).catch((error: unknown) => {
    const isExpected = error instanceof AppError && ['not_found', 'permission_denied'].includes(error.kind);
    if (!isExpected) throw error;
    return undefined;
  });
  return found && `join token ${found.metadata.name}`;
}

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
