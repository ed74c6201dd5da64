import type { Bus } from '@postern/bus';
import { agentSubjects, KubeRequestAudited } from '@postern/contracts';
import { messageOf, uuidv7 } from '@postern/core';
import { setTimeout as delay } from 'node:timers/promises';
import type { Attempt, Ledger } from './ledger.ts';

/** Who sends, and where it is noted. */
export interface FactOptions {
  readonly bus: Bus;
  readonly agentId: string;
  readonly ledger: Ledger;
  readonly signal: AbortSignal;
}

const factsPerBatch = 5;
const everyMs = 25;

/** Sends audit facts as an edge does, batch after batch, and an unacknowledged batch a second time under the same id. */
export async function sendFacts(options: FactOptions): Promise<void> {
  while (!options.signal.aborted) {
    await sendBatch(options);
    await delay(everyMs, undefined, { signal: options.signal }).catch(() => {});
  }
}

async function sendBatch({ bus, agentId, ledger }: FactOptions): Promise<void> {
  const ids = Array.from({ length: factsPerBatch }, () => uuidv7());
  const facts = ids.map((id) => factOf(id, agentId));
  const subject = agentSubjects.fact(agentId, KubeRequestAudited.type);
  const answer = await publishTwice(() => bus.publishDurable(subject, { facts }, { msgId: ids[0]! }));
  for (const mark of ids) ledger.add({ mark, kind: 'fact', name: agentId, verb: 'create', ...answer });
}

/** A second time under the same id when it is not known whether the first arrived. */
async function publishTwice(
  publish: () => Promise<{ readonly stream: string }>,
): Promise<Pick<Attempt, 'outcome' | 'stream' | 'why'>> {
  let why = '';
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const { stream } = await publish();
      return { outcome: 'acknowledged', stream };
    } catch (error) {
      why = messageOf(error);
    }
  }
  return { outcome: 'unknown', why };
}

function factOf(id: string, edge: string) {
  const { type, v, data } = KubeRequestAudited({
    requestId: id,
    auditId: '',
    user: 'somebody',
    session: '',
    cluster: 'nowhere',
    decision: 'deny',
    reason: 'kube.no_access',
    roles: [],
    impersonate: { users: [], groups: [] },
    method: 'GET',
    path: '/api/v1/pods',
    verb: 'list',
    apiGroup: '',
    apiVersion: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: '',
    name: '',
    kubeUser: '',
    kubeGroups: [],
    outcome: 'known',
    status: 403,
    isStream: false,
    durationMs: 1,
    bytesIn: 0,
    bytesOut: 0,
    policyRevision: '',
    edge,
    sourceIp: '127.0.0.1',
    userAgent: '',
  });
  return { id, type, v, at: new Date().toISOString(), data };
}
