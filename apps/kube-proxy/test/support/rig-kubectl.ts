import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { locateKubectl } from '@postern/lab';
import type { ClientCertificate } from './identities.ts';
import { at, type Rig } from './rig.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface KubectlOptions {
  readonly input?: string | Buffer;
  /** Without the WebSockets that it begins with otherwise. */
  readonly overSpdy?: boolean;
}

/** A kubectl that is still running. */
export interface RunningKubectl {
  readonly text: () => string;
  readonly ended: Promise<Ran>;
  kill(): void;
}

export interface RigKubectl {
  run(args: readonly string[], options?: KubectlOptions): Promise<Ran>;
  start(args: readonly string[], options?: KubectlOptions): RunningKubectl;
}

/** kubectl for a person and a cluster of the rig; its files go to `folder`. */
export async function rigKubectl(
  rig: Rig,
  { folder, cluster, client }: { folder: string; cluster: string; client: ClientCertificate },
): Promise<RigKubectl> {
  const path = (await locateKubectl()) ?? 'kubectl';
  const data = (pem: string) => Buffer.from(pem).toString('base64');
  const kubeconfig = join(folder, `${crypto.randomUUID()}.json`);
  const server = {
    server: `https://127.0.0.1:${rig.port}${at(cluster, '')}`,
    'tls-server-name': 'localhost',
    'certificate-authority-data': data(rig.pki.host.certificate),
  };
  const user = { 'client-certificate-data': data(client.cert), 'client-key-data': data(client.key) };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'x',
      clusters: [{ name: 'x', cluster: server }],
      users: [{ name: 'x', user }],
      contexts: [{ name: 'x', context: { cluster: 'x', user: 'x', namespace: 'dev' } }],
    }),
  );
  const env = (overSpdy = false) => ({
    KUBECONFIG: kubeconfig,
    HOME: folder,
    KUBECTL_REMOTE_COMMAND_WEBSOCKETS: String(!overSpdy),
    KUBECTL_PORT_FORWARD_WEBSOCKETS: String(!overSpdy),
  });
  return {
    run: (args, { input = '', overSpdy } = {}) =>
      new Promise((resolve) => {
        const options = { env: env(overSpdy), maxBuffer: 256 * 1024 * 1024, timeout: 30_000 };
        const child = execFile(path, args, options, (error, out, err) =>
          resolve({ code: error ? Number(error.code ?? -1) : 0, out, err }),
        );
        child.stdin!.on('error', () => undefined);
        child.stdin!.end(input);
      }),
    start: (args, { overSpdy } = {}) => {
      const child = spawn(path, args, { env: env(overSpdy), stdio: ['pipe', 'pipe', 'pipe'] });
      const parts = { out: '', err: '' };
      child.stdout.on('data', (chunk: Buffer) => (parts.out += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (parts.err += chunk.toString()));
      const ended = new Promise<Ran>((resolve) =>
        child.once('close', (code) => resolve({ code: code ?? -1, ...parts })),
      );
      return { text: () => parts.out + parts.err, ended, kill: () => void child.kill('SIGKILL') };
    },
  };
}
