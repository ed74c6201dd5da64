import { type Bus, consumers, type Consumption, type Parking } from '@postern/bus';
import {
  AgentCopied,
  AgentJoined,
  AgentRevoked,
  kubeClusterKind,
  maySeeSecrets,
  type Selector,
  viewKindsFor,
} from '@postern/contracts';
import { delay, failure } from '@postern/core';
import type { Kysely } from 'kysely';
import type { ResourceDb } from '../database.ts';
import { endLeases } from './view-table.ts';

export const ViewForbidden = failure(
  'permission_denied',
  'resource.view_forbidden',
  (kind: string) => `a view of ${kind} is for services of the control plane`,
);

/** What any joined process may look at, whatever its roles are. */
const openKinds: readonly string[] = ['kube_cluster', 'discovery_config'];

/** How long opening a view waits for the news of an agent that joined a moment ago. */
export const joinPatienceMs = 3_000;

type Db = Kysely<ResourceDb>;

/** Who reads what. */
interface Reading {
  readonly agentId: string;
  readonly selector: Pick<Selector, 'kinds' | 'secrets'>;
  readonly patienceMs?: number;
}

/** Refuses a view that shows the agent more than its system roles need, when it is opened and whenever it is read. */
export async function requireEntitled(db: Db, { agentId, selector, patienceMs = 0 }: Reading): Promise<void> {
  const { kinds, secrets = false } = selector;
  if (secrets) return requireSecrets(db, { agentId, selector, patienceMs });
  if (kinds.every((kind) => openKinds.includes(kind)) || isJoinService(agentId)) return;
  const own = viewKindsFor(await systemRolesOf(db, agentId, patienceMs));
  const foreign = kinds.find((kind) => !openKinds.includes(kind) && !own.includes(kind));
  if (foreign !== undefined) throw ViewForbidden(foreign);
}

async function requireSecrets(
  db: Db,
  { agentId, selector: { kinds }, patienceMs = 0 }: Reading,
): Promise<void> {
  const foreign = kinds.find((kind) => kind !== kubeClusterKind.kind);
  if (foreign !== undefined) throw ViewForbidden(`secrets of ${foreign}`);
  if (!maySeeSecrets(await systemRolesOf(db, agentId, patienceMs))) throw ViewForbidden('secrets');
}

/** What follows from the news of agents. */
export interface JoinFollower {
  readonly bus: Bus;
  readonly db: Db;
  readonly parking: Parking;
  /** Called for an agent whose identity was copied; may be called twice. */
  readonly onCopied: (agentId: string, eventId: string) => Promise<void>;
}

/**
 * Remembers the system roles of whoever joins, forgets the leases of whoever is revoked, and tells of whoever was copied.
 */
export function followJoins({ bus, db, parking, onCopied }: JoinFollower): Consumption {
  return bus.consume({
    ...consumers.resourceAgents,
    parking,
    async handler(message) {
      const event = message.event();
      const at = new Date(event.at);
      if (event.type === AgentJoined.type) return remember(db, { ...AgentJoined.read(event), at });
      if (event.type === AgentCopied.type) return onCopied(AgentCopied.read(event).agentId, event.id);
      if (event.type === AgentRevoked.type) return revoke(db, AgentRevoked.read(event).agentId, at);
    },
  });
}

interface KnownAgent {
  readonly agentId: string;
  readonly roles: readonly string[];
  readonly at: Date;
}

async function remember(db: Db, { agentId, roles, at }: KnownAgent): Promise<void> {
  const columns = { roles: JSON.stringify(roles), joined_at: at, revoked_at: null };
  await db
    .insertInto('agent_roles')
    .values({ agent_id: agentId, ...columns })
    .onConflict((conflict) =>
      conflict
        .column('agent_id')
        .doUpdateSet(columns)
        // A joining that is told again does not undo the revocation that came after it.
        .where(({ or, eb }) =>
          or([eb('agent_roles.revoked_at', 'is', null), eb('agent_roles.revoked_at', '<', at)]),
        ),
    )
    .execute();
}

async function revoke(db: Db, agentId: string, at: Date): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const columns = { roles: '[]', revoked_at: at };
    await trx
      .insertInto('agent_roles')
      .values({ agent_id: agentId, joined_at: at, ...columns })
      .onConflict((conflict) =>
        conflict
          .column('agent_id')
          .doUpdateSet({ revoked_at: at })
          // And a revocation that is told again does not end an agent that has joined anew.
          .where('agent_roles.joined_at', '<=', at),
      )
      .execute();
    await endLeases(trx, agentId);
  });
}

/**
 * Remembers an agent by its certificate, where the news of its joining has been lost: the bus keeps them for a week. What
 * is known of it already, above all that it was revoked, stays.
 */
export async function rememberProved(db: Db, { agentId, roles, at }: KnownAgent): Promise<void> {
  await db
    .insertInto('agent_roles')
    .values({ agent_id: agentId, roles: JSON.stringify(roles), joined_at: at, revoked_at: null })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** join-svc certifies itself and therefore never joins; it gives ids of this form to nobody else. */
function isJoinService(agentId: string): boolean {
  return agentId.startsWith('join-svc-');
}

/** Whether an agent or edge was revoked, as far as it is known here. */
export async function isRevoked(db: Db, agentId: string): Promise<boolean> {
  const known = db.selectFrom('agent_roles').select('revoked_at').where('agent_id', '=', agentId);
  return ((await known.executeTakeFirst())?.revoked_at ?? null) !== null;
}

/** The system roles of an agent as they are known here: none for whoever never joined, or was revoked. */
export async function systemRolesOf(db: Db, agentId: string, patienceMs = 0): Promise<readonly string[]> {
  const end = performance.now() + patienceMs;
  for (;;) {
    const row = await db
      .selectFrom('agent_roles')
      .select(['roles', 'revoked_at'])
      .where('agent_id', '=', agentId)
      .executeTakeFirst();
    if (row) return row.revoked_at === null ? row.roles : [];
    if (performance.now() > end) return [];
    await delay(50);
  }
}
