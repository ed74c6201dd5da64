import type { Tool } from '@postern/cli';
import { kubeCredentials } from './kube-credentials.ts';

/** The part of tsh that kubectl runs before each connection, without the modules that everything else needs. */
export const tshForKubectl: Tool = {
  name: 'tsh',
  summary: 'Reach Kubernetes clusters through a proxy',
  hasIdentity: true,
  groups: { kube: 'List and use Kubernetes clusters' },
  commands: [kubeCredentials],
};
