import { resolve } from 'node:path';
import { type CliContext, command, formatOf, on, requiredText, text, textOr } from '@postern/cli';
import { type Api, FileExists, inspectDestination, proxyAddress, writePrivateFile } from '@postern/client';
import { failure, parseDuration } from '@postern/core';

const NothingServed = failure(
  'failed_precondition',
  'tctl.nothing_served',
  () => 'no agent serves a Kubernetes cluster now: name one with --kube-cluster-name',
);

export const authSign = command({
  name: 'auth sign',
  summary: 'Make an identity file or a kubeconfig for a user',
  args: {},
  flags: {
    user: requiredText('--user <name>', 'The user'),
    out: requiredText('-o, --out <file>', 'Where to write it'),
    ttl: textOr('12h', '--ttl <duration>', 'How long it is valid'),
    format: textOr('file', '--format <format>', 'file (for tctl -i and tsh -i) or kubernetes (for kubectl)'),
    kubeCluster: text(
      '--kube-cluster-name <name>',
      'Kubernetes cluster of the kubeconfig; without it all that are served',
    ),
    overwrite: on('--overwrite', 'Replace the file if it exists'),
  },
  async run(context, { flags }) {
    const format = formatOf(flags.format, ['file', 'kubernetes']);
    const ttlSeconds = Math.floor(parseDuration(flags.ttl) / 1000);
    const path = resolve(context.cwd, flags.out);
    await mayWrite(context, path, flags.overwrite);
    const api = await context.api();
    const signed = await sign(api, flags.user, ttlSeconds);
    const proxy = proxyAddress(api.proxy);
    const kubeClusters = format === 'file' ? [] : await clustersFor(api, flags.kubeCluster);
    const content = await contentOf(format, { ...signed, proxy, kubeClusters });
    writePrivateFile(path, content, { overwrite: true });
    context.terminal.print(`The credentials have been written to ${flags.out}`);
  },
});

interface Signed {
  readonly user: string;
  readonly clusterName: string;
  readonly key: string;
  readonly certificate: string;
  readonly hostCa: string;
}

/** Asked before anything is signed: a certificate that nobody can pick up should not exist. */
async function mayWrite({ terminal }: CliContext, path: string, overwrite: boolean): Promise<void> {
  if (!inspectDestination(path) || overwrite) return;
  if (!terminal.isInteractive) throw FileExists(path);
  const answer = await terminal.ask(`${path} exists. Overwrite it? [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw FileExists(path);
}

/** The key is made here and never leaves. */
async function sign(api: Api, user: string, ttlSeconds: number): Promise<Signed> {
  const { generateKeyPair, makeCsr } = await import('@postern/identity');
  const { privateKey } = await generateKeyPair();
  const signed = await api.sign({ user, csr: await makeCsr(privateKey), ttlSeconds });
  return { ...signed, key: privateKey };
}

async function clustersFor(api: Api, name: string | undefined): Promise<string[]> {
  if (name !== undefined) return [name];
  const served = await api.inventory.clusters();
  if (served.length === 0) throw NothingServed();
  return served.map((cluster) => cluster.name).toSorted();
}

interface Content extends Signed {
  readonly proxy: string;
  readonly kubeClusters: readonly string[];
}

async function contentOf(format: 'file' | 'kubernetes', content: Content): Promise<string> {
  const { clusterName, hostCa, ...rest } = content;
  if (format === 'kubernetes') {
    const { signedKubeconfig } = await import('../auth/signed-kubeconfig.ts');
    return signedKubeconfig({ ...rest, teleportCluster: clusterName, caPem: hostCa });
  }
  const { formatIdentityFile } = await import('@postern/identity');
  return formatIdentityFile({ ...rest, hostCa, clusterName });
}
