import { until } from '@postern/testkit';
import { workspace } from '../streams/arrange-workload.ts';
import { startKubectl } from '../streams/person.ts';
import type { Side, Sides } from './sides.ts';

/**
 * Adds a container to the running pod `box`, named as the side, and waits until it runs. It says back one line of its input.
 * `kubectl debug` itself speaks of a kind of object that servers before 1.23 do not know, so `kubectl proxy` brings theirs.
 */
export async function addDebugContainer({ alice, folder, node, flags }: Sides, side: Side): Promise<void> {
  const args = ['proxy', '--port=0', '--append-server-path', ...flags[side]];
  await using proxy = await startKubectl(alice, folder, { args, begins: /Starting to serve on \S+\n/ });
  const [, address] = /serve on (\S+)/.exec(await proxy.output())!;
  const container = {
    name: side,
    image: node.image,
    imagePullPolicy: 'Never',
    terminationMessagePolicy: 'File',
    targetContainerName: 'main',
    stdin: true,
    stdinOnce: true,
    command: ['sh', '-c', 'read line; echo got $line'],
  };
  const path = `/api/v1/namespaces/${workspace}/pods/box/ephemeralcontainers`;
  const answer = await fetch(`http://${address}${path}`, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json-patch+json' },
    body: JSON.stringify([{ op: 'add', path: '/ephemeralContainers/-', value: container }]),
  });
  if (!answer.ok) throw new Error(`the container was not added: ${answer.status} ${await answer.text()}`);
  const running = `jsonpath={.status.ephemeralContainerStatuses[?(@.name=="${side}")].state.running}`;
  await until('the container runs', async () => {
    const get = ['get', 'pod', 'box', '-n', workspace, '-o', running, ...flags[side]];
    return (await alice.kubectl(get)).stdout !== '';
  });
}
