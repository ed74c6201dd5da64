import { kubeServer } from '@postern/client';
import { stringify } from 'yaml';

/** What a kubeconfig that needs no program beside kubectl is made of. */
export interface SignedKubeconfig {
  /** `host:port` */
  readonly proxy: string;
  readonly teleportCluster: string;
  readonly kubeClusters: readonly string[];
  readonly user: string;
  readonly caPem: string;
  readonly certificate: string;
  readonly key: string;
}

/** A kubeconfig with one context per cluster and one certificate for all of them; a single context is the current one. */
export function signedKubeconfig(spec: SignedKubeconfig): string {
  const { proxy, teleportCluster, kubeClusters, caPem } = spec;
  const names = kubeClusters.map((kubeCluster) => ({
    kubeCluster,
    name: `${teleportCluster}-${kubeCluster}`,
  }));
  const user = `${spec.user}@${teleportCluster}`;
  const clusters = names.map(({ kubeCluster, name }) => ({
    name,
    cluster: {
      server: kubeServer({ proxy, teleportCluster, kubeCluster }),
      'certificate-authority-data': base64(caPem),
    },
  }));
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters,
    users: [
      {
        name: user,
        user: { 'client-certificate-data': base64(spec.certificate), 'client-key-data': base64(spec.key) },
      },
    ],
    contexts: names.map(({ name }) => ({ name, context: { cluster: name, user } })),
    'current-context': names.length === 1 ? names[0]!.name : '',
  };
  return stringify(config, { lineWidth: 0 });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
