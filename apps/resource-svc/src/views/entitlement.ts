import { type Bus, type Consumption, eventStreamName } from '@postern/bus';
import { AgentJoined, type Selector, viewKindsFor } from '@postern/contracts';
import { delay, failure } from '@postern/core';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';

export const ViewForbidden = failure(
  'permission_denied',
  'resource.view_forbidden',
  (kind: string) => `a view of ${kind} is for services of the control plane`,
);

/** What any joined process may look at, whatever its roles are. */
const openKinds: readonly string[] = ['kube_cluster', 'discovery_config'];

/** How long opening a view waits for the news of an agent that joined a moment ago. */
export const joinPatienceMs = 3_000;

/** Who reads which kinds. */
interface Reading extends Pick<Selector, 'kinds'> {
  readonly agentId: string;
  readonly patienceMs?: number;
}

/** Refuses a view that shows the agent more than its system roles need, when it is opened and whenever it is read. */
export async function requireEntitled(
  db: Kysely<ResourceDb>,
  { agentId, kinds, patienceMs = 0 }: Reading,
): Promise<void> {
  if (kinds.every((kind) => openKinds.includes(kind)) || isJoinService(agentId)) return;
  const own = viewKindsFor(await rolesOf(db, agentId, patienceMs));
  const foreign = kinds.find((kind) => !openKinds.includes(kind) && !own.includes(kind));
  if (foreign !== undefined) throw ViewForbidden(foreign);
}

/** Remembers the system roles of whoever joins. */
export function followJoins(bus: Bus, db: Kysely<ResourceDb>): Consumption {
  return bus.consume({
    stream: eventStreamName('join'),
    durable: 'resource__agents',
    filterSubject: 'evt.join.*.agent.*.AgentJoined',
    async handler(message) {
      const event = message.event();
      const { agentId, roles } = AgentJoined.read(event);
      const columns = { roles: JSON.stringify(roles), joined_at: new Date(event.at) };
      await db
        .insertInto('agent_roles')
        .values({ agent_id: agentId, ...columns })
        .onConflict((conflict) => conflict.column('agent_id').doUpdateSet(columns))
        .execute();
    },
  });
}

/** join-svc certifies itself and therefore never joins; it gives ids of this form to nobody else. */
function isJoinService(agentId: string): boolean {
  return agentId.startsWith('join-svc-');
}

async function rolesOf(
  db: Kysely<ResourceDb>,
  agentId: string,
  patienceMs: number,
): Promise<readonly string[]> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const row = await db
      .selectFrom('agent_roles')
      .select('roles')
      .where('agent_id', '=', agentId)
      .executeTakeFirst();
    if (row) return row.roles;
    if (performance.now() > end) return [];
    await delay(50);
  }
}
