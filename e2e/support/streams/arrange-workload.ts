import { type KubeApiServer, type KubeNode } from '@postern/lab';
import { mustRun, until } from '@postern/testkit';

/** The namespace of the pods. */
export const workspace = 'work';

/** The group that roles give; it may do everything in the target. */
export const streamGroup = 'lab-streamers';

/** The port on which `box` sends back what it gets. */
export const echoPort = 9000;

// The first process counts in the log; the second sends back what a connection brings.
const boxScript = `nc -ll -p ${echoPort} -e cat &
i=0; while true; do echo tick $i; i=$((i+1)); sleep 0.2; done`;

/** `box`, a pod that counts and echoes for as long as it runs, and two that read their input to the end, once each. */
export async function arrangeWorkload({ kubeconfig }: KubeApiServer, { image }: KubeNode): Promise<void> {
  const kubectl = (args: readonly string[], input?: string) =>
    mustRun('kubectl', ['--kubeconfig', kubeconfig, ...args], input === undefined ? {} : { input });
  await kubectl(['create', 'namespace', workspace]);
  await kubectl([
    'create',
    'clusterrolebinding',
    streamGroup,
    '--clusterrole=cluster-admin',
    `--group=${streamGroup}`,
  ]);
  await until('the namespace has a service account', async () => {
    await kubectl(['get', 'serviceaccount', 'default', '-n', workspace]);
    return true;
  });
  const readers = ['once', 'once-more'].map((name) => pod(name, image, ['cat']));
  const items = [pod('box', image, ['sh', '-c', boxScript]), ...readers];
  await kubectl(['create', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await kubectl(['wait', '-n', workspace, '--for=condition=Ready', 'pod', '--all', '--timeout=60s']);
}

function pod(name: string, image: string, command: readonly string[]): object {
  const container = { name: 'main', image, imagePullPolicy: 'Never', command, stdin: true, stdinOnce: true };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: workspace },
    spec: { restartPolicy: 'Never', terminationGracePeriodSeconds: 0, containers: [container] },
  };
}
