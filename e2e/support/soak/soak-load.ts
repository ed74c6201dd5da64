import { type Disturbances } from './disturb.ts';
import { type Informed, startInformers } from './informer-load.ts';
import { type KubectlWork, workExec, workKubectl } from './kubectl-load.ts';
import type { Ledger } from './ledger.ts';
import { type Followed, followLogs } from './log-follower.ts';
import { informedNamespace, type SoakGround } from './soak-ground.ts';
import { http1Client, http2Client } from './unary-client.ts';
import { workUnary } from './unary-load.ts';

/** What load runs on. */
export interface LoadDeps {
  readonly ground: SoakGround;
  readonly ledger: Ledger;
  readonly disturbances: Disturbances;
}

/** What a load has seen beside what is in the ledger. */
export interface LoadReport {
  readonly informed: Informed;
  readonly followed: Followed;
}

/** Load that goes on until it is stopped. */
export interface SoakLoad {
  /** Everything under way is waited for. */
  stop(): Promise<LoadReport>;
}

const workersEach = 2;
const unaryEveryMs = 120;
const kubectlEveryMs = 1500;
const changeEveryMs = 500;

/** Starts everything at once: clients of both protocols, kubectl, exec and logs where there is a node, and informers. */
export async function startSoakLoad(
  { ground, ledger, disturbances }: LoadDeps,
  name: string,
): Promise<SoakLoad> {
  const { origin, caller, kubeconfig, namespace, hasNode, target, stack } = ground;
  const stopping = new AbortController();
  const { signal } = stopping;
  const informers = await startInformers({
    directKubeconfig: target.kubeconfig,
    kubeconfig,
    namespace: informedNamespace,
    prefix: name,
    everyMs: changeEveryMs,
    signal,
  });
  const collection = ground.at(`/api/v1/namespaces/${namespace}/configmaps`);
  const clients = [http1Client, http2Client].flatMap((open) =>
    Array.from({ length: workersEach }, () => open(origin, caller)),
  );
  const followed = { lines: 0, sessions: 0 };
  const env = { PATH: stack.admin.env['PATH'] ?? '', HOME: stack.folder };
  const work: KubectlWork = {
    ledger,
    disturbances,
    kubeconfig,
    env,
    namespace,
    prefix: name,
    everyMs: kubectlEveryMs,
    signal,
  };
  const running = [
    ...clients.map((client, at) =>
      workUnary({ client, ledger, name: `${name}-${at}`, collection, everyMs: unaryEveryMs, signal }),
    ),
    workKubectl(work),
    ...(hasNode ? [workExec(work, 'box'), followLogs(work, 'box', followed)] : []),
  ];
  return {
    async stop() {
      stopping.abort();
      await Promise.all(running);
      const informed = await informers.finish();
      for (const client of clients) client[Symbol.dispose]();
      return { informed, followed };
    },
  };
}
