import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@postern/lab';
import { root, type SeparateStack, startProcess } from '@postern/testkit';
import { createCluster } from './create-resources.ts';
import { prefixOf, type Side } from './side.ts';

const token = 'a-token-for-the-far-agent';

const section = `version: v3
auth_service: { enabled: "no" }
proxy_service: { enabled: "no" }
ssh_service: { enabled: "no" }
kubernetes_service:
  enabled: "yes"
  resources:
    - labels: { "where": "far" }
`;

/**
 * Starts an agent that knows the public address and nothing else, and registers an API server as cluster `far` that only this
 * agent serves: what reaches it goes through the edge and the agent's tunnel. The processes of both are in the side.
 */
export async function startFarAgent(
  stack: SeparateStack,
  folder: string,
  { edge, kubeconfig }: { readonly edge: Side; readonly kubeconfig: string },
  scope: AsyncDisposableStack,
): Promise<Side> {
  const dataDir = join(folder, 'far-agent');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const file = (name: string, content: string): string => {
    const path = join(dataDir, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  await stack.admin.must('tctl', ['tokens', 'add', '--type=kube', `--value=${token}`]);
  const agent = startProcess({
    name: 'far-agent',
    command: process.execPath,
    args: [join(root, 'apps/kube-proxy/src/main.ts')],
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: dataDir,
      POSTERN_KUBE_PROXY_ROLES: 'kube',
      POSTERN_JOIN_URL: edge.origin,
      POSTERN_CA_FILE: join(stack.dataDir, 'ca.pem'),
      POSTERN_JOIN_TOKEN_FILE: file('token', token),
      POSTERN_DATA_DIR: join(dataDir, 'state'),
      POSTERN_CONFIG_FILE: file('teleport.yaml', section),
      POSTERN_DIAG_LISTEN: `127.0.0.1:${await freePort()}`,
      POSTERN_HEARTBEAT_INTERVAL: '2s',
      POSTERN_KUBE_ALLOW_LOOPBACK: 'yes',
    },
    cwd: folder,
    logDir: folder,
  });
  scope.defer(() => agent.stop().then(() => undefined));
  await createCluster(stack, folder, { name: 'far', labels: { where: 'far' }, kubeconfig });
  return { ...edge, prefix: prefixOf('far'), pids: [...edge.pids, agent.pid] };
}
