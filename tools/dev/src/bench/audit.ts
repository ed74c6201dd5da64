import { setImmediate as nextTurn } from 'node:timers/promises';
import { KubeRequestAudited } from '@postern/contracts';
import { systemClock, uuidv7 } from '@postern/core';
import { FactLog } from '@postern/kube-proxy';
import { silentTelemetry } from '@postern/telemetry';
import type { Measured } from './table.ts';

const rounds = 20_000;
/** Requests that an edge under load answers in one turn of its event loop. */
const atOnce = 8;

/** What recording a request costs the edge that answers it, in CPU of this process; the bus takes everything at once. */
export async function benchAudit(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  const telemetry = scope.use(silentTelemetry());
  const open = async (name: string, syncMs: number) =>
    scope.use(
      await FactLog.open(
        {
          bus: { publishDurable: async () => undefined },
          log: telemetry.log,
          clock: systemClock,
          agentId: 'edge',
        },
        { folder: `${folder}/${name}`, maxBytes: 2 ** 30, syncMs, onFull: 'refuse' },
      ),
    );
  const facts = await open('interval', 1000);
  const built = await cpuPer(async () => void record('known'));
  const read = await cpuPer(async (id) => facts.add(record('known'), new Date(), id));
  const change = await cpuPer(async (id) => {
    await facts.promise(record('unknown'), new Date(), id);
    facts.add(record('known'), new Date(), id);
  });
  return [
    { path: 'a record alone, nothing kept of it', figure: us(built) },
    { path: 'a read: on disk, published', figure: `${us(read)} (${us(read - built)} more)` },
    { path: 'a change: promised on disk first', figure: `${us(change)} (${us(change - built)} more)` },
  ];
}

async function cpuPer(work: (id: string) => Promise<void>): Promise<number> {
  for (let round = 0; round < 2000; round += atOnce) await turn(work);
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += atOnce) await turn(work);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / rounds;
}

async function turn(work: (id: string) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: atOnce }, () => work(uuidv7())));
  await nextTurn();
}

function us(microseconds: number): string {
  return `${microseconds.toFixed(1)} µs`;
}

function record(outcome: 'known' | 'unknown') {
  const requestId = uuidv7();
  return KubeRequestAudited({
    requestId,
    auditId: requestId,
    user: 'alice',
    session: requestId,
    cluster: 'prod',
    clusterLabels: { env: 'prod', team: 'payments', region: 'eu-central-1' },
    decision: 'allow',
    reason: '',
    roles: ['viewer'],
    method: 'GET',
    path: '/api/v1/namespaces/payments/pods/web-0',
    verb: 'get',
    apiGroup: '',
    apiVersion: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: 'payments',
    name: 'web-0',
    impersonate: { users: [], groups: [] },
    kubeUser: 'alice',
    kubeGroups: ['viewers', 'system:authenticated'],
    outcome,
    status: 200,
    isStream: false,
    durationMs: 1.25,
    bytesIn: 0,
    bytesOut: 2048,
    policyRevision: 'e3b0c44298fc1c14',
    edge: 'c3eb8b77-5db1-8cc5-8847-33e2310f4eed',
    sourceIp: '10.0.0.9',
    userAgent: 'kubectl/v1.32.0 (linux/amd64) kubernetes/70d3cc9',
  });
}
