import { mkdirSync } from 'node:fs';
import type { SeparateStack } from '@postern/testkit';
import { registerBenchCluster } from './bench-cluster.ts';
import { startBenchStack } from './bench-stack.ts';
import { cpuSeconds } from './cpu.ts';
import { createResources } from './create-resources.ts';
import type { LoadResult } from './load.ts';
import { forgetPeak, megabytes, peakResidentBytes, settledResidentBytes } from './memory.ts';
import { inTurns, middleBy } from './rounds.ts';
import { runLoad } from './run-load.ts';
import { type Side, userFiles } from './side.ts';
import type { Measured } from './table.ts';

const objects = 5000;
/** In a namespace of its own there are so many times more. */
const longer = 10;
const ruleCounts = [10, 1000, 10_000];
/** A role of more would be a larger document than may be written at once. */
const rulesPerRole = 2500;
const listsPerRound = 6;
const limit = 1.2;
const atOnce = 4;
/** Of what a list is longer, so much may be in memory. */
const longerLimit = 0.1;

interface Asker {
  readonly title: string;
  readonly side: Side;
}

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly bytes: number;
}

/** What it costs to filter a list of 5,000 pods, all of which may be seen, beside passing it on untouched; and the memory that takes. */
export async function benchLists(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  mkdirSync(folder, { recursive: true });
  const stack = await startBenchStack(folder, scope);
  const standIn = { program: 'list-server.ts', args: [String(objects), String(longer * objects)] };
  const { edge } = await registerBenchCluster(stack, folder, scope, standIn);
  await writePeople(stack, folder);
  const askers: Asker[] = [];
  for (const count of [0, ...ruleCounts]) {
    const title = count === 0 ? 'nothing to filter' : `${count.toLocaleString('en')} rules`;
    askers.push({ title, side: { ...edge, ...(await userFiles(stack, folder, `lister-${count}`)) } });
  }
  return [...(await compare(askers)), ...(await memoryByLength(askers.at(-1)!.side))];
}

/** The first one's lists are passed on untouched. */
async function compare(askers: readonly Asker[]): Promise<Measured[]> {
  for (const { side } of askers) await cost(side);
  const measured = await inTurns(
    askers.map(
      ({ side }) =>
        () =>
          cost(side),
    ),
  );
  const middle = measured.map((costs) => ({
    wallMs: middleBy(costs, ({ wallMs }) => wallMs).wallMs,
    cpuMs: middleBy(costs, ({ cpuMs }) => cpuMs).cpuMs,
    bytes: costs[0]!.bytes,
  }));
  const [untouched] = middle;
  return askers.map(({ title }, index) => {
    const { wallMs, cpuMs, bytes } = middle[index]!;
    const ratio = wallMs / untouched!.wallMs;
    const compared =
      index === 0 ? '' : `, ${ratio.toFixed(2)}× the time, ${(cpuMs / untouched!.cpuMs).toFixed(2)}× the CPU`;
    return {
      path: `list of ${objects.toLocaleString('en')} pods, ${title}`,
      figure: `${wallMs.toFixed(0)} ms, ${cpuMs.toFixed(0)} ms CPU of the edge, ${megabytes(bytes)}${compared}`,
      ...(index === askers.length - 1 ? { target: `≤ ${limit}× the time`, met: ratio <= limit } : {}),
    };
  });
}

async function cost(side: Side): Promise<Cost> {
  const before = cpuSeconds(side.pids);
  const { ok, bytes, p50Ms } = await list(side, { namespace: 'default', lists: listsPerRound, atOnce: 1 });
  return { wallMs: p50Ms, cpuMs: ((cpuSeconds(side.pids) - before) / ok) * 1000, bytes: bytes / ok };
}

/** The same bytes in lists of both lengths, several at once; what the edge held at most beside what it held before. */
async function memoryByLength(side: Side): Promise<Measured[]> {
  const short: Lists = { namespace: 'default', lists: 3 * longer * atOnce, atOnce };
  await list(side, short);
  const before = await settledResidentBytes(side.pids[0]!);
  const ofShort = await peakOf(side, short, before);
  await settledResidentBytes(side.pids[0]!);
  const ofLong = await peakOf(side, { namespace: 'long', lists: 3 * atOnce, atOnce }, before);
  const share = (ofLong.perList - ofShort.perList) / (ofLong.bytes - ofShort.bytes);
  const row = (count: number, { bytes, perList }: Peak): Measured => ({
    path: `memory for each of ${atOnce} filtered lists of ${count.toLocaleString('en')} pods`,
    figure: `${megabytes(perList)} at most, for ${megabytes(bytes)}`,
  });
  return [
    row(objects, ofShort),
    {
      ...row(longer * objects, ofLong),
      target: `≤ ${longerLimit * 100} % of what it is longer`,
      met: share <= longerLimit,
    },
  ];
}

interface Peak {
  readonly bytes: number;
  readonly perList: number;
}

async function peakOf(side: Side, lists: Lists, before: number): Promise<Peak> {
  const [pid] = side.pids;
  forgetPeak(pid!);
  const { bytes } = await list(side, lists);
  const perList = Math.max(0, peakResidentBytes(pid!) - before) / lists.atOnce;
  return { bytes: bytes / lists.lists, perList };
}

interface Lists {
  readonly namespace: string;
  readonly lists: number;
  readonly atOnce: number;
}

async function list(side: Side, { namespace, lists, atOnce: connections }: Lists): Promise<LoadResult> {
  const path = `${side.prefix}/api/v1/namespaces/${namespace}/pods`;
  const result = await runLoad({
    ...side,
    protocol: 'h1',
    path,
    connections,
    perConnection: 1,
    requests: lists,
  });
  if (result.failed > 0) throw new Error(`${result.failed} of ${lists} lists failed`);
  return result;
}

/** A person with as many rules as its name says, each for the pods of one name; and one for whom there is nothing to filter. */
async function writePeople(stack: SeparateStack, folder: string): Promise<void> {
  for (const count of [0, ...ruleCounts]) {
    // So few rules cannot name each pod: the last one allows them all.
    const names = Array.from({ length: count }, (_, at) => (at === count - 1 ? 'web-*' : `web-${at}-*`));
    const roles = Array.from({ length: Math.max(1, Math.ceil(count / rulesPerRole)) }, (_, at) =>
      roleNamed(
        `lister-${count}-${at}`,
        count === 0 ? ['*'] : names.slice(at * rulesPerRole, (at + 1) * rulesPerRole),
      ),
    );
    const spec = { roles: roles.map(({ metadata }) => metadata.name) };
    for (const role of roles) await createResources(stack, folder, [role]);
    await createResources(stack, folder, [
      { kind: 'user', version: 'v2', metadata: { name: `lister-${count}` }, spec },
    ]);
  }
}

function roleNamed(name: string, names: readonly string[]) {
  const rule = { kind: 'pods', api_group: '', namespace: '*', verbs: ['list'] };
  const allow = {
    kubernetes_labels: { '*': '*' },
    kubernetes_groups: ['viewers'],
    kubernetes_resources: names.map((each) => ({ ...rule, name: each })),
  };
  return { kind: 'role', version: 'v8', metadata: { name }, spec: { allow } };
}
