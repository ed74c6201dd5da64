import type { ReplayPolicy } from '@postern/access';
import { Outbound } from '@postern/agent';
import { commandSubjects, agentSubjects, everything, type ServedReport } from '@postern/contracts';
import { systemClock } from '@postern/core';
import type { HeldIdentity } from '@postern/identity';
import { PolicyTables } from '@postern/policy';
import { silentTelemetry } from '@postern/telemetry';
import { type FactSettings, openFacts } from '../../src/facts/open-facts.ts';
import type { EdgeConfig, KubeConfig } from '../../src/service.ts';
import { type EdgeService, edgeService, kubeService, type KubeService } from '../../src/service.ts';
import { type EchoApiServer, startEchoApiServer } from './echo-api-server.ts';
import { type ClientCertificate, clusterName, createPki, type Pki } from './identities.ts';
import { MemoryBus, MemoryResources } from './memory-bus.ts';

export { dial, raw, rawOn } from './raw-connection.ts';

/** A role document in the shortest form a test can want. */
export interface RoleSketch {
  readonly allow?: Record<string, unknown>;
  readonly deny?: Record<string, unknown>;
  readonly version?: string;
  readonly options?: Record<string, unknown>;
}

export interface Rig extends AsyncDisposable {
  readonly pki: Pki;
  readonly bus: MemoryBus;
  readonly resources: MemoryResources;
  readonly edge: EdgeService;
  readonly edgeHeld: HeldIdentity;
  readonly kube: KubeService;
  readonly port: number;
  readonly telemetry: ReturnType<typeof silentTelemetry>;
  readonly policy: { ageMs: number };
  readonly kubeconfigs: Map<string, string>;
  role(name: string, sketch: RoleSketch): void;
  user(name: string, roles: readonly string[], traits?: Record<string, string[]>): void;
  removeUser(name: string): void;
  /** A lock on something, until it is removed. */
  lock(name: string, spec: Record<string, unknown>): void;
  unlock(name: string): void;
  /** A user with its roles, as the edge decides by them now. */
  policyOf(name: string): ReplayPolicy;
  cluster(name: string, kubeconfig: string, labels?: Record<string, string>): Promise<void>;
}

export interface RigOptions {
  /**
   * `together`: one process without a hop; `split`: edge and agent apart, through a tunnel; `hop`: the tunnel leads to another
   * edge than the one that is asked.
   */
  readonly shape?: Shape;
  readonly edge?: Partial<EdgeConfig>;
  readonly allowedCommands?: readonly string[];
  readonly eks?: KubeConfig['eks'];
  readonly facts?: Partial<FactSettings>;
}

const factDefaults: FactSettings = { dataDir: undefined, maxBytes: 2 ** 26, syncMs: 1000, onFull: 'refuse' };
export type Shape = 'together' | 'split' | 'hop';

/** What edges and agents of a rig share. */
interface Ground {
  readonly clock: typeof systemClock;
  readonly telemetry: ReturnType<typeof silentTelemetry>;
  readonly bus: MemoryBus;
  readonly facts: Awaited<ReturnType<typeof openFacts>>;
  readonly openView: MemoryResources['openView'];
}

interface RunningEdge {
  readonly edge: EdgeService;
  readonly held: HeldIdentity;
  readonly port: number;
}

// oxlint-disable-next-line max-lines-per-function -- it wires a whole process together, step by step
export async function startRig({
  shape = 'together',
  edge: edgeConfig = {},
  allowedCommands = [],
  eks = { matchers: [], env: {} },
  facts: settings = {},
}: RigOptions = {}): Promise<Rig> {
  const stack = new AsyncDisposableStack();
  const pki = await createPki();
  const bus = new MemoryBus();
  const resources = new MemoryResources();
  const telemetry = stack.use(silentTelemetry());
  const tables = new PolicyTables({
    clock: systemClock,
    onUnreadable: (kind, id, why) => telemetry.log.error(why, { kind, id }),
  });
  const kubeconfigs = new Map<string, string>();
  const policy = { ageMs: 0 };
  let revision = 0;
  const factDeps = { bus, clock: systemClock, log: telemetry.log, agentId: 'edge-1' };
  const facts = stack.use(await openFacts(factDeps, { ...factDefaults, ...settings }));
  const ground: Ground = { clock: systemClock, telemetry, bus, facts, openView: resources.openView };
  const livePolicy = {
    ready: Promise.resolve(),
    revision: () => String(revision),
    ageMs: () => policy.ageMs,
    user: (name: string) => tables.user(name),
    rolesOf: (user: Parameters<PolicyTables['rolesOf']>[0]) => tables.rolesOf(user),
    lockOn: (subject: Parameters<PolicyTables['lockOn']>[0]) => tables.lockOn(subject),
    lockOnAgent: (agentId: string, joinToken?: string) => tables.lockOnAgent(agentId, joinToken),
    onChange: (callback: () => void) => tables.onChange(callback),
  };
  const startEdge = async (id: string, roles: readonly string[], own?: KubeService): Promise<RunningEdge> => {
    const held = await pki.held(id, roles);
    const edge = edgeService(
      { ...ground, held, agentId: id, policy: livePolicy },
      { ...defaultEdge, ...edgeConfig },
      own,
    );
    stack.use(edge);
    await edge.ready;
    const { port } = await edge.listen({ host: '127.0.0.1', port: 0 });
    return { edge, held, port };
  };
  let changed = (): void => undefined;
  const startKube = async (agentId: string, held: HeldIdentity, edges: readonly RunningEdge[]) => {
    const service = await kubeService(
      {
        ...ground,
        held,
        agentId,
        reportServed: () => changed(),
        kubeconfigOf: async ({ id }) => kubeconfigs.get(id) ?? '',
      },
      {
        selector: everything('kube_cluster'),
        statics: { labels: {}, labelCommands: {}, podEnvironment: {} },
        eks,
        allowLoopback: true,
        allowedCommands,
        ...(edges.length === 0 ? {} : { tunnels: tunnelsTo(edges) }),
      },
    );
    stack.use(service);
    return service;
  };
  let edge: EdgeService;
  let edgeHeld: HeldIdentity;
  let port: number;
  let kube: KubeService;
  if (shape === 'together') {
    kube = await startKube('edge-1', await pki.held('edge-1', ['Proxy', 'Kube']), []);
    ({ edge, port, held: edgeHeld } = await startEdge('edge-1', ['Proxy', 'Kube'], kube));
    changed = () => edge.role.servedChanged();
  } else {
    const asked = await startEdge('edge-1', ['Proxy']);
    ({ edge, port, held: edgeHeld } = asked);
    const holder = shape === 'hop' ? await startEdge('edge-2', ['Proxy']) : asked;
    const agentHeld = await pki.held('agent-1', ['Kube']);
    kube = await startKube('agent-1', agentHeld, [holder]);
    changed = reporter(bus, 'agent-1', kube);
    await kube.tunnels!.ready;
    await until(() => edge.role.tunnels.reach.placeOf('agent-1') !== undefined, 'the agent is reached');
  }
  const put = (
    kind: 'lock' | 'role' | 'user',
    name: string,
    version: string,
    spec: Record<string, unknown>,
  ) => {
    revision += 1;
    tables.apply({ kind, id: name, resource: { kind, version, metadata: { name }, spec } });
  };
  const rig: Rig = {
    pki,
    bus,
    resources,
    edge,
    edgeHeld,
    kube,
    port,
    telemetry,
    policy,
    kubeconfigs,
    role: (name, { allow = {}, deny = {}, options = {}, version = 'v8' }) =>
      put('role', name, version, { allow, deny, options }),
    user: (name, roles, traits = {}) => put('user', name, 'v2', { roles: [...roles], traits }),
    removeUser: (name) => {
      revision += 1;
      tables.apply({ kind: 'user', id: name });
    },
    lock: (name, spec) => put('lock', name, 'v2', spec),
    unlock: (name) => {
      revision += 1;
      tables.apply({ kind: 'lock', id: name });
    },
    policyOf: (name) => {
      const user = tables.user(name);
      return user ? { user, roles: tables.rolesOf(user) } : { user: { name, traits: {} }, roles: [] };
    },
    cluster: async (name, kubeconfig, labels = {}) => {
      kubeconfigs.set(name, Buffer.from(kubeconfig).toString('base64'));
      resources.put({ kind: 'kube_cluster', version: 'v3', metadata: { name, labels }, spec: {} });
      await until(() => kube.role.clusters.isOnline(name), `${name} is online`);
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
  return rig;
}

const defaultEdge = {
  publicAddress: 'edge.test:3080',
  services: { 'join-svc': [], 'resource-svc': [], 'inventory-svc': [] },
  maxPolicyAgeMs: 300_000,
  maxStreamPolicyAgeMs: 900_000,
  maxApiBodyBytes: 1_048_576,
  recordings: { folder: undefined, maxBytes: 64 * 1024 * 1024 },
  limits: { closeGraceMs: 100 },
};

function tunnelsTo(edges: readonly RunningEdge[]) {
  return { addresses: edges.map(({ port }) => ({ host: '127.0.0.1', port })), outbound: new Outbound() };
}

/** Says on the bus what an agent serves, now and whenever it is asked. */
function reporter(bus: MemoryBus, agentId: string, kube: KubeService): () => void {
  const startedAt = new Date().toISOString();
  const report = () => {
    const served: ServedReport = { agentId, run: 'run-1', startedAt, ...kube.role.servedNow() };
    bus.publish(agentSubjects.served(agentId), served);
  };
  bus.subscribe(commandSubjects.reportServed(agentId), {}, report);
  return report;
}

/** Waits for a condition, for at most `ms`. */
export async function until(condition: () => boolean, what: string, ms = 5000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it did not happen in ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function echoKubeconfig({ url, ca, token }: Pick<EchoApiServer, 'url' | 'ca' | 'token'>): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'echo',
    clusters: [
      {
        name: 'echo',
        cluster: { server: url, 'certificate-authority-data': Buffer.from(ca).toString('base64') },
      },
    ],
    users: [{ name: 'echo', user: { token } }],
    contexts: [{ name: 'echo', context: { cluster: 'echo', user: 'echo' } }],
  });
}

export const everythingAllowed = {
  kubernetes_labels: { '*': '*' },
  kubernetes_resources: [{ kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*'] }],
};

/** A rig with an echo API server as cluster `c1` and a user alice who may do everything there as viewer. */
export async function startEchoRig(
  options: RigOptions = {},
): Promise<Rig & { echo: EchoApiServer; alice: ClientCertificate }> {
  const echo = await startEchoApiServer();
  const rig = await startRig(options);
  rig.role('viewer', { allow: { ...everythingAllowed, kubernetes_groups: ['viewers'] } });
  rig.user('alice', ['viewer']);
  await rig.cluster('c1', echoKubeconfig(echo));
  const alice = await rig.pki.person('alice');
  const stop = async () => {
    await rig[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
  };
  return { ...rig, echo, alice, [Symbol.asyncDispose]: stop };
}

/** Path of a cluster on the edge, for an API path. */
export function at(cluster: string, path: string): string {
  const encode = (name: string) => Buffer.from(name).toString('base64url');
  return `/v1/teleport/${encode(clusterName)}/${encode(cluster)}${path}`;
}

/** Path prefix of a cluster on the edge. */
export const clusterPath = (cluster: string) => at(cluster, '');
