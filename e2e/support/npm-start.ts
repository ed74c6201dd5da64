import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root, type RunningProcess, startProcess, type Tools, toolsFor, until } from '@postern/testkit';

/** A control plane started as the README says. */
export interface Started {
  readonly process: RunningProcess;
  readonly proxyAddr: string;
  readonly dataDir: string;
  readonly admin: Tools;
  /** Admin kubeconfig of the demo cluster itself, around Postern. */
  readonly demoKubeconfig: string;
  readonly readyAfterMs: number;
}

/** Runs `npm start` until it is ready; a start that ends instead fails with the end of its log. */
export async function npmStart(options: {
  folder: string;
  dataDir: string;
  port: number;
  args?: readonly string[];
}): Promise<Started> {
  const { folder, dataDir, port } = options;
  const proxyAddr = `127.0.0.1:${port}`;
  const began = performance.now();
  const child = startProcess({
    name: 'npm-start',
    command: 'npm',
    args: [
      'start',
      '--silent',
      '--',
      '--data-dir',
      dataDir,
      '--public-addr',
      proxyAddr,
      ...(options.args ?? []),
    ],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? folder,
      POSTERN_HEARTBEAT_INTERVAL: '2s',
    },
    cwd: root,
    logDir: folder,
    group: true,
  });
  const log = async () => await readFile(child.logFile, 'utf8').catch(() => '');
  const before = (await log()).length;
  const ended = child.exited.then(async (code) =>
    Promise.reject(new Error(`npm start ended with ${code}: ${(await log()).slice(-3000)}`)),
  );
  ended.catch(() => {});
  const ready = until(
    'Postern is ready',
    async () => (await log()).slice(before).includes('Postern is ready'),
    { withinMs: 240_000 },
  );
  await Promise.race([ready, ended]);
  return {
    process: child,
    proxyAddr,
    dataDir,
    admin: toolsFor({ home: folder, dataDir }),
    demoKubeconfig: join(dataDir, 'kube', 'admin.kubeconfig'),
    readyAfterMs: performance.now() - began,
  };
}
