import { type Bus, type Consumption, eventStreamName } from '@postern/bus';
import { AgentJoined, type Selector } from '@postern/contracts';
import { delay, failure } from '@postern/core';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';

const ViewForbidden = failure(
  'permission_denied',
  'resource.view_forbidden',
  (kind: string) => `a view of ${kind} is for services of the control plane`,
);

/** What any joined process may look at. Nothing secret is in a view, but who holds which role is nobody else's business. */
const openKinds: readonly string[] = ['kube_cluster', 'discovery_config'];

const controlPlaneRoles: readonly string[] = ['Auth', 'Proxy'];

/** How long to wait for the news of an agent that joined a moment ago. */
const patienceMs = 3_000;

/** Refuses a view that shows the agent more than its system roles need. */
export async function requireEntitled(
  db: Kysely<ResourceDb>,
  agentId: string,
  { kinds }: Selector,
): Promise<void> {
  const guarded = kinds.find((kind) => !openKinds.includes(kind));
  if (guarded === undefined || isJoinService(agentId)) return;
  const roles = await rolesOf(db, agentId);
  if (!roles.some((role) => controlPlaneRoles.includes(role))) throw ViewForbidden(guarded);
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

async function rolesOf(db: Kysely<ResourceDb>, agentId: string): Promise<readonly string[]> {
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
