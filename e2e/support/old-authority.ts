import { request as httpsRequest } from 'node:https';
import type { AgentIdentity } from '@postern/agent';
import { connectBus, inboxPrefix } from '@postern/bus';
import type { CurrentIdentity } from '@postern/identity';
import { type SeparateStack, services } from '@postern/testkit';

/** What an agent has in its files, as a thief of them would have it. */
export interface Loot {
  readonly agentId: string;
  readonly certificate: CurrentIdentity;
  readonly bus: AgentIdentity['bus'];
}

/** A door of the system. */
export interface Door {
  readonly name: string;
  /** Whether who is behind the certificate is let in, or known and only not allowed to do this; otherwise it is nobody. */
  knows(loot: Loot): Promise<boolean>;
}

/** A path of each service that listens, at which it first asks who somebody is. */
const paths = {
  'join-svc': '/v1/agents/self',
  'resource-svc': '/v1/resources/role',
  'inventory-svc': '/v1/inventory/agents',
  'kube-proxy': '/v1/agents/self',
} as const;

/** Every listener of every replica, and the bus. */
export function doorsOf(stack: SeparateStack): Door[] {
  const listeners = services.flatMap((service) =>
    service === 'discovery-svc'
      ? []
      : stack.urlsOf(service).map((origin, at) => ({
          name: `${service}-${at}`,
          knows: async ({ certificate }: Loot) =>
            (await statusFor(new URL(paths[service], origin), certificate)) !== 401,
        })),
  );
  return [...listeners, { name: 'the bus', knows: (loot) => isOnBus(stack, loot) }];
}

function statusFor(url: URL, { key, certificate }: CurrentIdentity): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      url,
      { key, cert: certificate, rejectUnauthorized: false, agent: false },
      (response) => resolve(response.resume().statusCode ?? 0),
    );
    request.on('error', reject);
    request.end();
  });
}

async function isOnBus({ busServers }: SeparateStack, { agentId, bus }: Loot): Promise<boolean> {
  const { seed, jwt = '', ca = '' } = bus;
  const options = {
    creds: { seed, jwt },
    name: agentId,
    inboxPrefix: inboxPrefix(agentId),
    ca,
    patienceMs: 0,
  };
  try {
    await (await connectBus({ ...options, servers: busServers }))[Symbol.asyncDispose]();
    return true;
  } catch (error) {
    if ((error as { readonly code?: string }).code === 'bus.unauthenticated') return false;
    throw error;
  }
}
