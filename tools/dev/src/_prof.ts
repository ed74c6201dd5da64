import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { freePort, openPki, writeKubeconfig } from '@postern/lab';
import { startSeparately } from '@postern/testkit';
import { edgeSide, cost } from './bench/_data.ts';

const folder = mkdtempSync('/tmp/postern-prof-');
const here = join(import.meta.dirname,'bench');
try {
  await using stack = await startSeparately(folder, 1);
  const pki = await openPki(join(folder, 'bench-pki'));
  const server = await pki.issue('upstream', { commonName: 'upstream', hosts: ['127.0.0.1', 'localhost'] });
  const client = await pki.issue('client', { commonName: 'client' });
  const upstreamPort = await freePort();
  const upstream = spawn(process.execPath, [join(here, 'upstream.ts'), String(upstreamPort), server.cert, server.key, pki.ca.cert], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => upstream.stdout.once('data', resolve));
  const kubeconfig = writeKubeconfig(join(folder, 'bench.kubeconfig'), { server: `https://127.0.0.1:${upstreamPort}`, caFile: pki.ca.cert, client });
  const ours = await edgeSide(stack, folder, kubeconfig);
  const pid = stack.process('kube-proxy', 0).pid;
  process.kill(pid, 'SIGUSR1');
  await new Promise((r) => setTimeout(r, 1000));
  const list = await (await fetch('http://127.0.0.1:9229/json')).json() as any;
  const ws = new WebSocket(list[0].webSocketDebuggerUrl);
  await new Promise((r) => ws.onopen = r);
  let id = 0; const waiting = new Map<number, (v: any) => void>();
  ws.onmessage = (m) => { const d = JSON.parse(m.data as string); waiting.get(d.id)?.(d.result); };
  const call = (method: string, params = {}) => new Promise<any>((r) => { id++; waiting.set(id, r); ws.send(JSON.stringify({ id, method, params })); });
  await call('Profiler.enable'); await call('Profiler.setSamplingInterval', { interval: 200 });
  const small = '/api/v1/namespaces/default/pods/web-1', large = '/api/v1/namespaces/default/pods';
  for (const [name, protocol, path, requests] of [['h1','h1',small,8000],['h2','h2',small,10000],['list-h1','h1',large,300],['list-h2','h2',large,300]] as const) {
    await cost(ours, protocol, { path, requests: requests / 4 });
    const plain = await cost(ours, protocol, { path, requests });
    await call('Profiler.start');
    const c = await cost(ours, protocol, { path, requests });
    const { profile } = await call('Profiler.stop');
    console.log(name, plain.microseconds.toFixed(0), 'us plain', c.microseconds.toFixed(0), 'us profiled', (plain.bytesPerCpuSecond/1e6).toFixed(0), 'MB/cpu-s', plain.result.failed, c.result.failed);
    writeFileSync(`/tmp/postern-prof-${name}.cpuprofile`, JSON.stringify({ requests, profile }));
  }
  if (process.argv[2] === 'perf') {
    for (const [name, protocol, path, requests] of [['h1','h1',small,8000],['h2','h2',small,10000],['list-h1','h1',large,300]] as const) {
      const perf = spawn('perf', ['record', '-g', '-F', '2000', '-p', String(pid), '-o', `/tmp/postern-perf-${name}.data`], { stdio: 'inherit' });
      await cost(ours, protocol, { path, requests }); perf.kill('SIGINT'); await new Promise((r) => perf.once('exit', r));
    }
    const st = spawn('strace', ['-c', '-f', '-p', String(pid)], { stdio: 'inherit' });
    await new Promise((r) => setTimeout(r, 500));
    await cost(ours, 'h1', { path: small, requests: 3000 }); st.kill('SIGINT'); await new Promise((r) => st.once('exit', r));
    const st2 = spawn('strace', ['-c', '-f', '-p', String(pid)], { stdio: 'inherit' });
    await new Promise((r) => setTimeout(r, 500));
    await cost(ours, 'h2', { path: small, requests: 3000 }); st2.kill('SIGINT'); await new Promise((r) => st2.once('exit', r));
  }
  upstream.kill(); ws.close();
} finally { rmSync(folder, { recursive: true, force: true }); }
process.exit();
