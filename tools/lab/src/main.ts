#!/usr/bin/env node
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf, untilSignalled } from '@postern/core';
import { ensureKubeAssets } from './assets/kube-assets.ts';
import { locateKubectl } from './assets/locate-kubectl.ts';
import { startKubeApiServer } from './kube/api-server.ts';
import { startMetricsServer } from './kube/metrics/metrics-server.ts';
import { canRunKubeNode } from './kube/node/can-run-kube-node.ts';
import { startKubeNode } from './kube/node/kube-node.ts';
import { ensureNodePrograms } from './kube/node/node-packages.ts';
import { startNats } from './nats/nats.ts';
import { ensureNatsServer } from './nats/nats-binary.ts';
import { startPostgres } from './postgres/postgres.ts';

const usage = `Usage:
  lab assets            get every program a lab needs; minutes the first time
  lab up DIR            run Postgres, NATS and a Kubernetes API server, with their data in DIR, until Ctrl-C
    --controllers       with kube-controller-manager
    --node              with a node that runs pods, and their figures (root on Debian 12)
    --audit             with an audit log of the API server
`;

// A signal also ends what is still being fetched, built or started.
const abort = new AbortController();
const { signal } = abort;
const stopped = untilSignalled().then((name) => {
  abort.abort(new Error(`stopped by ${name}`));
  return name;
});

const progress = (line: string) => console.error(line);
const print = (fact: object) => console.log(JSON.stringify(fact));

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    controllers: { type: 'boolean', default: false },
    node: { type: 'boolean', default: false },
    audit: { type: 'boolean', default: false },
  },
});

async function assets(): Promise<void> {
  print({ nats: await ensureNatsServer({ progress, signal }) });
  print(
    await ensureKubeAssets({
      need: ['kube-apiserver', 'etcd', 'kube-controller-manager', 'kube-scheduler', 'kubelet'],
      progress,
      signal,
    }),
  );
  const node = canRunKubeNode();
  if (node.ok) print({ containerd: (await ensureNodePrograms({ progress, signal })).containerd });
  else progress(`no node here: ${node.reason}`);
  print({ kubectl: await locateKubectl({ progress, signal }) });
}

async function up(dir: string): Promise<void> {
  await using scope = new AsyncDisposableStack();
  const keep = <T extends { stop(): Promise<void> }>(server: T): T => {
    scope.defer(() => server.stop());
    return server;
  };
  const postgres = keep(await startPostgres({ dataDir: join(dir, 'postgres'), progress }));
  print({ server: 'postgres', url: postgres.url, pid: postgres.pid });
  const nats = keep(await startNats({ dir: join(dir, 'nats'), progress, signal }));
  print({ server: 'nats', url: nats.url, monitorUrl: nats.monitorUrl, pid: nats.pid });
  const { controllers, node, audit } = values;
  const kube = keep(
    await startKubeApiServer({
      dir: join(dir, 'kube'),
      controllers,
      node,
      auditLog: audit,
      progress,
      signal,
    }),
  );
  print({
    server: 'kubernetes',
    url: kube.url,
    kubeconfig: kube.kubeconfig,
    caFile: kube.caFile,
    pids: kube.pids,
  });
  if (node) {
    const { name, image, pids } = keep(
      await startKubeNode(kube, { dir: join(dir, 'node'), progress, signal }),
    );
    print({ server: 'node', name, image, pids });
    print({ server: 'metrics', url: keep(await startMetricsServer(kube)).url });
  }
  progress('ready; Ctrl-C stops everything');
  progress(`stopping on ${await stopped}`);
}

const [verb, dir] = positionals;
try {
  if (verb === 'assets') await assets();
  else if (verb === 'up' && dir) await up(resolve(dir));
  else {
    console.error(usage);
    process.exitCode = 2;
  }
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}
