import { mkdtempSync, rmSync, readFileSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { freePort, openPki, writeKubeconfig } from '@postern/lab';
import { startSeparately, startProcess, until } from '@postern/testkit';
import { edgeSide, cost } from './bench/_data.ts';
import { startNginx } from './bench/nginx.ts';
const variants = JSON.parse(process.argv[2]!) as Record<
  string,
  { main?: string; options?: string; perf?: boolean }
>;
const folder = mkdtempSync('/tmp/postern-rig-');
const here = join(import.meta.dirname, 'bench');
try {
  await using stack = await startSeparately(folder, 1);
  const pki = await openPki(join(folder, 'bench-pki'));
  const server = await pki.issue('upstream', { commonName: 'upstream', hosts: ['127.0.0.1', 'localhost'] });
  const client = await pki.issue('client', { commonName: 'client' });
  const upstreamPort = await freePort();
  const upstream = spawn(
    process.execPath,
    [join(here, 'upstream.ts'), String(upstreamPort), server.cert, server.key, pki.ca.cert],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await new Promise((resolve) => upstream.stdout.once('data', resolve));
  const nginxPort = await freePort();
  const nginx = await startNginx({
    dir: join(folder, 'nginx'),
    port: nginxPort,
    upstream: `127.0.0.1:${upstreamPort}`,
    serverCert: server.cert,
    serverKey: server.key,
    clientCa: pki.ca.cert,
    upstreamCert: client.cert,
    upstreamKey: client.key,
    upstreamCa: pki.ca.cert,
    upstreamName: 'localhost',
  });
  const kubeconfig = writeKubeconfig(join(folder, 'bench.kubeconfig'), {
    server: `https://127.0.0.1:${upstreamPort}`,
    caFile: pki.ca.cert,
    client,
  });
  const base = await edgeSide(stack, folder, kubeconfig);
  const theirs = {
    origin: `https://127.0.0.1:${nginxPort}`,
    prefix: '',
    pids: nginx.workerPids,
    servername: 'localhost',
    certFile: client.cert,
    keyFile: client.key,
    caFile: pki.ca.cert,
  };
  const p = stack.process('kube-proxy', 0);
  const env = Object.fromEntries(
    readFileSync(`/proc/${p.pid}/environ`, 'utf8')
      .split('\0')
      .filter(Boolean)
      .map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)]),
  );
  await p.stop();
  const small = '/api/v1/namespaces/default/pods/web-1',
    large = '/api/v1/namespaces/default/pods';
  const works = [
    ['h1', 'h1', small, 6000],
    ['h2', 'h2', small, 8000],
    ['l1', 'h1', large, 200],
    ['l2', 'h2', large, 200],
  ] as const;
  const med = (a: number[]) => a.toSorted((x, y) => x - y)[Math.floor(a.length / 2)]!;
  for (const [name, v] of Object.entries(variants)) {
    const proc = startProcess({
      name: `kp-${name}`,
      command: process.execPath,
      args: [
        ...(v.options ?? '').split(' ').filter(Boolean),
        v.main ?? '/work/main/apps/kube-proxy/src/main.ts',
      ],
      env,
      cwd: folder,
      logDir: folder,
    });
    await until('ready', async () => (await fetch(`http://${env['POSTERN_DIAG_LISTEN']}/readyz`)).ok, {
      withinMs: 60000,
    });
    await until('served', async () => (await stack.admin.must('tsh', ['kube', 'ls'])).includes('bench'));
    await new Promise((r) => setTimeout(r, 1500));
    const ours = { ...base, pids: [proc.pid] };
    const line: string[] = [];
    for (const [w, protocol, path, requests] of works) {
      await cost(ours, protocol, { path, requests: requests / 2 });
      const a: number[] = [],
        b: number[] = [];
      let failed = 0;
      for (let i = 0; i < 3; i++) {
        b.push((await cost(theirs, protocol, { path, requests: requests / 2 })).microseconds);
        const c = await cost(ours, protocol, { path, requests });
        a.push(c.microseconds);
        failed += c.result.failed;
      }
      line.push(
        `${w} ${med(a).toFixed(0)}(min ${Math.min(...a).toFixed(0)})/${med(b).toFixed(0)}(min ${Math.min(...b).toFixed(0)})=${(med(a) / med(b)).toFixed(2)} minratio ${(Math.min(...a) / Math.min(...b)).toFixed(2)}${failed ? ` FAILED ${failed}` : ''}`,
      );
    }
    console.log(name.padEnd(12), line.join('  |  '));
    if (v.perf)
      for (const [w, protocol, path, requests] of works) {
        const perf = spawn(
          'perf',
          ['record', '-g', '-F', '1999', '-p', String(proc.pid), '-o', `/tmp/prig/perf-${w}.data`],
          { stdio: 'ignore' },
        );
        await new Promise((r) => setTimeout(r, 300));
        await cost(ours, protocol, { path, requests: requests * 2 });
        perf.kill('SIGINT');
        await new Promise((r) => perf.once('exit', r));
      }
    await proc.stop();
  }
  upstream.kill();
  await nginx.stop();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit();
