import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { joinProcess, type JoinedProcess } from '@postern/agent';
import type { Api } from '@postern/client';
import { type Selector, selectorHash } from '@postern/contracts';
import { systemClock as clock } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import type { SeparateStack } from '@postern/testkit';

/** Who joins. */
export interface NewAgent {
  readonly stack: SeparateStack;
  readonly api: Api;
  readonly role: 'Kube' | 'Proxy' | 'Discovery';
  readonly views?: readonly Selector[];
}

/** Joins the cluster as an agent of this very process, with a token made for it. */
export async function joinAgent({ stack, api, role, views = [] }: NewAgent): Promise<JoinedProcess> {
  const token = randomUUID();
  const spec = { roles: [role], join_method: 'token' };
  await api.resources.create({ kind: 'token', version: 'v2', metadata: { name: token }, spec });
  return joinProcess({
    joinUrls: stack.proxyAddrs.map((address) => `https://${address}`),
    trust: { caFile: join(stack.dataDir, 'ca.pem') },
    token,
    roles: [role],
    busServers: stack.busServers,
    hostname: 'faults',
    views: views.map(selectorHash),
    telemetry: silentTelemetry(),
    clock,
  });
}
