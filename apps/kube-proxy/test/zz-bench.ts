import { fork } from 'node:child_process';
import { request as httpsRequest, Agent } from 'node:https';
import { connect } from 'node:http2';
import { startEchoRig, at } from '/work/main/apps/kube-proxy/test/support/rig.ts';
import { createServer } from 'node:https';

// upstream in another process; clients in another; measure cpu of this process
const { execFileSync } = await import('node:child_process');
const fs = await import('node:fs');
fs.mkdirSync('/tmp/kpv/pki', { recursive: true });
execFileSync('openssl', 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=echo -addext subjectAltName=IP:127.0.0.1 -keyout /tmp/kpv/pki/key.pem -out /tmp/kpv/pki/cert.pem'.split(' '), { stdio: 'ignore' });
const up = fork('/tmp/kpv/upstream.mjs');
const upPort: number = await new Promise((r) => up.once('message', (m: any) => r(m.port)));
const shape = (process.argv[2] ?? 'together') as 'together' | 'split';
const rig = await startEchoRig({ shape });
const ca = fs.readFileSync('/tmp/kpv/pki/cert.pem').toString('base64');
await rig.cluster('c2', JSON.stringify({ apiVersion: 'v1', kind: 'Config', 'current-context': 'x', clusters: [{ name: 'x', cluster: { server: `https://127.0.0.1:${upPort}`, 'certificate-authority-data': ca } }], users: [{ name: 'x', user: { token: 't' } }], contexts: [{ name: 'x', context: { cluster: 'x', user: 'x' } }] }));
const run = async (proto: string, path: string, n: number, conc: number) => {
  const c = fork('/tmp/kpv/client.mjs');
  const once = () => new Promise<any>((r) => c.once('message', r));
  c.send({ port: rig.port, ca: rig.pki.host.certificate, ...rig.alice, path: at('c2', path), proto, n: Math.ceil(n / 4), conc });
  await once();
  const cpu0 = process.cpuUsage(); const t0 = performance.now();
  c.send({ port: rig.port, ca: rig.pki.host.certificate, ...rig.alice, path: at('c2', path), proto, n, conc });
  const res = await once();
  const cpu = process.cpuUsage(cpu0); const wall = performance.now() - t0;
  console.log(shape, proto, path, `cpu/req ${((cpu.user + cpu.system) / n).toFixed(1)} us`, `${(n / wall * 1000).toFixed(0)} rps`, `bytes ${res.bytes}`, `MB/cpu-s ${(res.bytes / (cpu.user + cpu.system)).toFixed(0)}`);
  c.kill();
};

await run('h1', '/api/v1/namespaces/dev/pods?lists=1', 60, 2);
rig.role('lim', { allow: { kubernetes_labels: {'*':'*'}, kubernetes_groups: ['g'], kubernetes_resources: Array.from({ length: 10000 }, (_, i) => ({ kind: 'pods', api_group: '', namespace: 'dev', name: `web-${i}`, verbs: ['*'] })) } });
rig.user('alice', ['lim']);
await run('h1', '/api/v1/namespaces/dev/pods?lists=1', 60, 2);
up.kill();
await rig[Symbol.asyncDispose]();
process.exit(0);
