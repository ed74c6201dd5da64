import { join } from 'node:path';
import { type Child, startChild } from '../process/child.ts';
import { freePort } from '../process/free-port.ts';
import { waitUntil } from '../process/wait-until.ts';
import { httpsGet } from './https-get.ts';
import type { KeyPairFiles, Pki } from './pki.ts';

const READY_TIMEOUT_MS = 30_000;

/** A running etcd, reachable only with a certificate of the cluster's own authority. */
export interface Etcd {
  readonly url: string;
  readonly client: KeyPairFiles;
  readonly child: Child;
}

/** How to run etcd. Without `durable` it never syncs to disk, which is faster and survives all but a power cut. */
export interface EtcdOptions {
  readonly dir: string;
  readonly binary: string;
  readonly pki: Pki;
  readonly durable: boolean;
}

/** Starts etcd on a free port with its data in `dir`. */
export async function startEtcd({ dir, binary, pki, durable }: EtcdOptions): Promise<Etcd> {
  const pair = await pki.issue('etcd', { commonName: 'etcd', hosts: ['127.0.0.1', 'localhost'] });
  const url = `https://127.0.0.1:${await freePort()}`;
  const peerUrl = `https://127.0.0.1:${await freePort()}`;
  const args = [
    `--data-dir=${join(dir, 'etcd')}`,
    `--listen-client-urls=${url}`,
    `--advertise-client-urls=${url}`,
    `--listen-peer-urls=${peerUrl}`,
    // The address of the only member is written into the data on the first start; it must not follow the port.
    '--initial-advertise-peer-urls=https://127.0.0.1:2380',
    '--initial-cluster=default=https://127.0.0.1:2380',
    `--cert-file=${pair.cert}`,
    `--key-file=${pair.key}`,
    '--client-cert-auth',
    `--trusted-ca-file=${pki.ca.cert}`,
    `--peer-cert-file=${pair.cert}`,
    `--peer-key-file=${pair.key}`,
    '--peer-client-cert-auth',
    `--peer-trusted-ca-file=${pki.ca.cert}`,
    ...(durable ? [] : ['--unsafe-no-fsync']),
  ];
  const child = await startChild({ name: 'etcd', dir, command: binary, args });
  try {
    const health = () => httpsGet(`${url}/health`, { caFile: pki.ca.cert, client: pair });
    await waitUntil(health, { what: 'etcd', timeoutMs: READY_TIMEOUT_MS, failed: child.failure });
  } catch (error) {
    await child.stop();
    throw error;
  }
  return { url, client: pair, child };
}
