import { request } from 'node:https';
import { readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import {
  type KubeApiServer,
  locateKubectl,
  type MetricsServer,
  runCommand,
  startKubeApiServer,
  startMetricsServer,
  writeKubeconfig,
} from '../src/index.ts';
import { tempDir } from './support/temp-dir.ts';

const nodesPath = '/apis/metrics.k8s.io/v1beta1/nodes';

/** The status of an answer to somebody who says to be the administrator. */
function askedAround(server: KubeApiServer, { url }: MetricsServer, withCertificate: boolean) {
  const { caFile, admin } = server;
  const client = withCertificate ? { cert: readFileSync(admin.cert), key: readFileSync(admin.key) } : {};
  const headers = { 'x-remote-user': 'lab-admin', 'x-remote-group': 'system:masters' };
  const options = { ca: readFileSync(caFile), ...client, headers, agent: false };
  const servername = 'metrics-server.kube-system.svc';
  return new Promise<number | undefined>((resolve, reject) => {
    const asked = request(url + nodesPath, { ...options, servername }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on('error', reject);
    asked.end();
  });
}

test('a metrics server answers the API server alone, which tells it who asks', async () => {
  const server = await startKubeApiServer({ dir: tempDir(), durable: false });
  onTestFinished(() => server.stop());
  const metrics = await startMetricsServer(server);
  onTestFinished(() => metrics.stop());
  const client = await server.pki.issue('jane', { commonName: 'jane', organization: 'system:masters' });
  const asJane = writeKubeconfig(`${server.dir}/jane`, { server: server.url, caFile: server.caFile, client });
  const program = await locateKubectl();
  const ask = (kubeconfig: string, path: string) =>
    runCommand(program, ['--kubeconfig', kubeconfig, 'get', '--raw', path]);

  expect(JSON.parse(await ask(server.kubeconfig, nodesPath))).toMatchObject({
    kind: 'NodeMetricsList',
    items: [],
  });
  await expect(ask(server.kubeconfig, `${nodesPath}/none`)).rejects.toThrow(
    /nodes\.metrics\.k8s\.io "none" not found/,
  );
  await expect(ask(server.kubeconfig, '/apis/metrics.k8s.io/v1beta1/nothing')).rejects.toThrow(
    /could not find the requested resource/,
  );
  await ask(asJane, nodesPath);
  expect(metrics.seen.at(-1)).toEqual({
    user: 'jane',
    groups: ['system:masters', 'system:authenticated'],
    method: 'GET',
    path: nodesPath,
  });
  const before = metrics.seen.length;
  expect(await askedAround(server, metrics, false)).toBe(401);
  expect(await askedAround(server, metrics, true)).toBe(401);
  expect(metrics.seen.slice(before)).toEqual([]);
});
