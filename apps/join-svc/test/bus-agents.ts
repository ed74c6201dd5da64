import { type Bus, connectBus, createUserKey, inboxPrefix } from '@postern/bus';
import type { IssuedIdentity } from '@postern/contracts';
import { until } from '@postern/testkit';
import { join } from 'node:path';
import {
  administrator,
  call,
  type ControlPlane,
  type Credential,
  type JoinBody,
  joinBody,
  joiner,
  type Replica,
  startEdge,
} from './control-plane.ts';

/** An agent as far as the bus and renewals know it. */
export interface Joined extends Credential {
  readonly identity: IssuedIdentity;
  readonly seed: string;
}

/** A replica behind an edge, and an administrator who may do everything there. */
export interface Administered {
  readonly replica: Replica;
  readonly admin: Credential;
  /** Calls through the edge. */
  readonly ask: typeof call;
}

/** Starts a replica whose policy is known. */
export async function startAdministered(plane: ControlPlane): Promise<Administered> {
  await putPolicy(plane, 'role', 'editor', { allow: { rules: [{ resources: ['*'], verbs: ['*'] }] } });
  await putPolicy(plane, 'user', 'admin', { roles: ['editor'], traits: {} });
  const adminIdentityFile = join(plane.dataDir, 'admin-identity.pem');
  const replica = await plane.replica({ adminIdentityFile });
  const admin = await administrator(adminIdentityFile);
  const ask = await startEdge(replica);
  const isKnown = async () => (await ask(replica, '/v1/me', { as: admin })).status === 200;
  await until('the policy is known', isKnown);
  return { replica, admin, ask };
}

/** Writes a role or user as resource-svc would publish it. */
export function putPolicy(
  { views }: Pick<ControlPlane, 'views'>,
  kind: 'role' | 'user',
  name: string,
  spec: Record<string, unknown>,
): Promise<void> {
  return views.put(kind, name, { kind, version: kind === 'user' ? 'v2' : 'v7', metadata: { name }, spec });
}

/** Joins with keys of its own. */
export async function joinOn(replica: Replica, changes: Partial<JoinBody> = {}): Promise<Joined> {
  const { key, csr } = await joiner();
  const { seed, publicKey: busKey } = createUserKey();
  const body = await joinBody({ ...changes, csr, busKey });
  const reply = await call<IssuedIdentity & { detail: string }>(replica, '/v1/join', { body });
  if (reply.status !== 200) throw new Error(`the join was answered ${reply.status}: ${reply.body.detail}`);
  return { key, certificate: reply.body.certificate, identity: reply.body, seed };
}

/** Asks for a renewal with new keys; `agent` means something where it was granted. */
export async function renewOn(
  replica: Replica,
  agent: Joined,
): Promise<{ readonly status: number; readonly agent: Joined; readonly detail: string }> {
  const { key, csr } = await joiner();
  const { seed, publicKey: busKey } = createUserKey();
  const { status, body } = await call<IssuedIdentity & { detail: string }>(replica, '/v1/renew', {
    as: agent,
    body: { csr, busKey },
  });
  const renewed = { key, certificate: body.certificate, identity: body, seed };
  return { status, agent: renewed, detail: body.detail };
}

/** Connects to the bus as an agent, once. */
export function connectAs({ nats }: Pick<ControlPlane, 'nats'>, { identity, seed }: Joined): Promise<Bus> {
  return connectBus({
    servers: nats.url,
    name: identity.agentId,
    creds: { seed, jwt: identity.bus.jwt! },
    inboxPrefix: inboxPrefix(identity.agentId),
    patienceMs: 0,
  });
}
