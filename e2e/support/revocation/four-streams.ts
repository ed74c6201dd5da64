import type { SignedInUser } from '../signed-in-user.ts';
import { echoPort, workspace } from '../streams/arrange-workload.ts';
import { type RunningKubectl, startKubectl } from '../streams/person.ts';

const inWork = ['-n', workspace] as const;

/** What kubectl keeps open: a watch, exec, logs and a port that is forwarded. */
const kinds = {
  watch: { args: ['get', 'pods', ...inWork, '--watch'], begins: /^box /m },
  exec: { args: ['exec', 'box', ...inWork, '--', 'sh', '-c', 'echo begun; sleep 300'], begins: /begun/ },
  logs: { args: ['logs', '-f', 'box', ...inWork, '--tail=1'], begins: /tick/ },
  'port-forward': {
    args: ['port-forward', 'pod/box', ...inWork, `:${echoPort}`],
    begins: /Forwarding from 127/,
  },
} as const;

/** Streams that are open, by edge and kind. */
export type OpenStreams = ReadonlyMap<string, RunningKubectl>;

/** Where streams are opened. */
export interface Through {
  readonly user: SignedInUser;
  readonly cluster: string;
  readonly proxies: readonly string[];
  readonly folder: string;
}

/** Opens all four through every one of the edges. */
export async function openStreams(
  { user, cluster, proxies, folder }: Through,
  names: readonly string[] = Object.keys(kinds),
): Promise<OpenStreams> {
  const opening = proxies.flatMap((proxy, at) =>
    Object.entries(kinds)
      .filter(([name]) => names.includes(name))
      .map(async ([name, { args, begins }]): Promise<[string, RunningKubectl]> => {
        const kubeconfig = await user.through(proxy);
        const env = { PATH: process.env['PATH'] ?? '', HOME: folder, KUBECONFIG: kubeconfig };
        const all = ['--context', cluster, ...args];
        return [`${name} at edge ${at}`, await startKubectl({ env }, folder, { args: all, begins })];
      }),
  );
  return new Map(await Promise.all(opening));
}

/** Milliseconds from a moment of `performance.now()` to the end of each; Infinity where it goes on. */
export async function endingsAfter(streams: OpenStreams, moment: number): Promise<Map<string, number>> {
  const ends = [...streams].map(async ([name, { endedAt }]): Promise<[string, number]> => {
    const never = new Promise<number>((resolve) => setTimeout(() => resolve(Infinity), 8000).unref());
    return [name, Math.round((await Promise.race([endedAt, never])) - moment)];
  });
  return new Map(await Promise.all(ends));
}

/** Stops whatever still runs. */
export async function closeStreams(streams: OpenStreams): Promise<void> {
  await Promise.all([...streams.values()].map((running) => running[Symbol.asyncDispose]()));
}
