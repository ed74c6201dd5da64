import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import {
  canRunKubeNode,
  freePort,
  locateKubectl,
  runCommand,
  startKubeApiServer,
  startKubeNode,
  waitUntil,
} from '../src/index.ts';
import { nodeLayout } from '../src/kube/node/node-layout.ts';
import { tempDir } from './support/temp-dir.ts';

// Long, because a machine that never ran a node compiles a kubelet first.
const TIMEOUT_MS = 15 * 60_000;
const able = canRunKubeNode();

test.skipIf(!able.ok)(
  'runs pods that kubectl reaches, and leaves nothing behind',
  { timeout: TIMEOUT_MS },
  async () => {
    const dir = tempDir();
    const server = await startKubeApiServer({ dir: join(dir, 'kube'), node: true, durable: false });
    onTestFinished(() => server.stop());
    const node = await startKubeNode(server, { dir: join(dir, 'node') });
    onTestFinished(() => node.stop());
    const program = await locateKubectl();
    const flags = ['--kubeconfig', server.kubeconfig];
    const kubectl = (...args: string[]) => runCommand(program, [...flags, ...args]);

    writeFileSync(join(dir, 'pod.json'), JSON.stringify(webPod(node.image)));
    await kubectl('apply', '-f', join(dir, 'pod.json'));
    await kubectl('wait', '--for=condition=Ready', 'pod/web', '--timeout=60s');
    expect(await kubectl('exec', 'web', '--', 'hostname')).toBe('web');
    expect(await kubectl('logs', 'web')).toContain('started');

    await kubectl('cp', join(dir, 'pod.json'), 'web:/www/copied.json');
    const port = await freePort();
    const forward = spawn(program, [...flags, 'port-forward', 'pod/web', `${port}:8080`], {
      stdio: 'ignore',
    });
    onTestFinished(() => void forward.kill());
    const fetched = await waitUntil(
      () => fetch(`http://127.0.0.1:${port}/copied.json`).then((answer) => answer.text()),
      {
        what: 'the forwarded port',
        timeoutMs: 20_000,
      },
    );
    expect(JSON.parse(fetched)).toEqual(webPod(node.image));

    await node.stop();
    const layout = nodeLayout(join(dir, 'node'));
    expect(networkInterfaces()).not.toHaveProperty(layout.bridge);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(layout.dir);
  },
);

function webPod(image: string): object {
  const command = ['sh', '-c', 'mkdir /www; echo started; exec httpd -f -p 8080 -h /www'];
  const container = { name: 'web', image, imagePullPolicy: 'Never', command };
  const spec = { containers: [container], terminationGracePeriodSeconds: 0 };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec };
}
