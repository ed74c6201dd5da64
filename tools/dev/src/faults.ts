import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fakeTimeLibrary, type SeparateStack, startSeparately } from '@postern/testkit';
import {
  checkAll,
  describeSchedule,
  type FaultKind,
  faultKinds,
  makeSchedule,
  Random,
  runSchedule,
  startLoad,
  targetsOf,
} from './faults/index.ts';

const help = `npm run test:faults [-- options]   breaks real processes at random moments under load and checks that nothing is lost

  --seed N          repeats the schedule of a run that failed (default: a new one, printed)
  --minutes M       for how long things break (default 3)
  --only KIND,…     ${faultKinds.join(', ')}
  --target TEXT,…   only targets whose names contain one of these: nats, postgres, kube-proxy-1, join-svc-0>nats
  --nodes N         nodes of NATS, 1 or 3 (default 1)
  --keep            leave the folder with logs and data even if all is well
`;

process.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string', default: '3' },
      only: { type: 'string' },
      target: { type: 'string' },
      nodes: { type: 'string', default: '1' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const kinds = (values.only?.split(',') ?? faultKinds) as readonly FaultKind[];
  const unknown = kinds.find((kind) => !faultKinds.includes(kind));
  if (unknown !== undefined) {
    console.error(`there is no fault ${unknown}\n\n${help}`);
    return 2;
  }
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const folder = mkdtempSync(join(tmpdir(), 'postern-faults-'));
  const findings = await runOnce(folder, {
    seed,
    kinds,
    targets: values.target?.split(',') ?? [''],
    lengthMs: Number(values.minutes) * 60_000,
    nodes: Number(values.nodes),
  });
  for (const finding of findings) console.error(`FAILED  ${finding}`);
  if (findings.length > 0) {
    console.error(`\nseed ${seed}; logs and data are in ${folder}`);
    return 1;
  }
  if (!values.keep) rmSync(folder, { recursive: true, force: true });
  console.log('nothing was lost');
  return 0;
}

interface Run {
  readonly seed: number;
  readonly kinds: readonly FaultKind[];
  readonly targets: readonly string[];
  readonly lengthMs: number;
  readonly nodes: number;
}

async function runOnce(folder: string, { seed, kinds, targets, lengthMs, nodes }: Run): Promise<string[]> {
  if (fakeTimeLibrary() === undefined && kinds.includes('clock')) {
    console.log('NOT RUN: steps of clocks, since libfaketime is missing (apt-get install libfaketime)');
  }
  await using stack = await startSeparately(folder, 2, {
    links: true,
    clocks: true,
    natsNodes: nodes,
    ...(nodes === 1 ? { natsDiskMegabytes: 256 } : {}),
  });
  const chosen = only(targetsOf(stack), kinds, targets);
  if (kinds.includes('disk') && !chosen.disk?.length) console.log('NOT RUN: a full disk');
  const schedule = makeSchedule({ seed, lengthMs, targets: chosen });
  console.log(`seed ${seed}, ${schedule.length} faults:\n${describeSchedule(schedule)}\n`);
  return await breakAndCheck(stack, schedule, seed);
}

async function breakAndCheck(
  stack: SeparateStack,
  schedule: ReturnType<typeof makeSchedule>,
  seed: number,
): Promise<string[]> {
  await using load = await startLoad(stack, { random: new Random(seed) });
  const unmended = await runSchedule(stack, schedule, (line) => console.log(line));
  await load.stop();
  const { ledger } = load;
  console.log(
    `${ledger.count('acknowledged')} acknowledged, ${ledger.count('refused')} refused, ${ledger.count('unknown')} unknown`,
    ledger.reasons(),
  );
  return [...unmended, ...(await checkAll(stack, load))];
}

function only(
  all: ReturnType<typeof targetsOf>,
  kinds: readonly FaultKind[],
  names: readonly string[],
): ReturnType<typeof targetsOf> {
  return Object.fromEntries(
    kinds.map((kind) => [
      kind,
      (all[kind] ?? []).filter((target) => names.some((name) => target.includes(name))),
    ]),
  );
}
