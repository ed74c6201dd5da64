import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '@postern/testkit';

/** Certificates for both sides of a reverse proxy, as file paths. */
export interface NginxPlan {
  readonly dir: string;
  readonly port: number;
  readonly upstream: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCa: string;
  readonly upstreamCert: string;
  readonly upstreamKey: string;
  readonly upstreamCa: string;
  readonly upstreamName: string;
}

/** Debian keeps nginx where the PATH of people does not lead. */
export const nginxEnv = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` };

/** nginx as the peer: client certificates in front, client certificate and verified TLS behind, one worker. */
export async function startNginx(plan: NginxPlan): Promise<{ workerPids: number[]; stop(): Promise<void> }> {
  mkdirSync(plan.dir, { recursive: true });
  const file = join(plan.dir, 'nginx.conf');
  writeFileSync(file, config(plan));
  const child = spawn('nginx', ['-c', file, '-p', plan.dir, '-g', 'daemon off;'], {
    stdio: 'ignore',
    env: nginxEnv,
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const children = `/proc/${child.pid}/task/${child.pid}/children`;
  const workerPids = await until('nginx has a worker', () => {
    const pids = existsSync(children)
      ? readFileSync(children, 'utf8').trim().split(' ').filter(Boolean).map(Number)
      : [];
    return pids.length > 0 && pids;
  });
  return {
    workerPids,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function config(plan: NginxPlan): string {
  return `worker_processes 1;
pid ${plan.dir}/nginx.pid;
error_log ${plan.dir}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${plan.dir}/body;
  proxy_temp_path ${plan.dir}/proxy;
  fastcgi_temp_path ${plan.dir}/fastcgi;
  uwsgi_temp_path ${plan.dir}/uwsgi;
  scgi_temp_path ${plan.dir}/scgi;
  keepalive_requests 1000000;
  upstream api { server ${plan.upstream}; keepalive 64; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${plan.port} ssl http2;
    http2_max_requests 10000000;
    ssl_certificate ${plan.serverCert};
    ssl_certificate_key ${plan.serverKey};
    ssl_client_certificate ${plan.clientCa};
    ssl_verify_client on;
    location / {
      proxy_pass https://api;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Impersonate-User bench;
      proxy_set_header Impersonate-Group viewers;
      proxy_ssl_certificate ${plan.upstreamCert};
      proxy_ssl_certificate_key ${plan.upstreamKey};
      proxy_ssl_trusted_certificate ${plan.upstreamCa};
      proxy_ssl_verify on;
      proxy_ssl_name ${plan.upstreamName};
      proxy_ssl_server_name on;
      proxy_buffering on;
      # A long answer goes through memory; its file would need a folder that the worker's user may write to.
      proxy_max_temp_file_size 0;
      proxy_buffers 8 64k;
      proxy_buffer_size 16k;
      proxy_busy_buffers_size 128k;
    }
  }
}
`;
}
