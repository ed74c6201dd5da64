import { connectBus } from '@postern/bus';
import { messageOf } from '@postern/core';
import type { SeparateStack } from '@postern/testkit';
import { checkFacts, checkLog, checkVersions, checkWrites, readRecorded } from './check-events.ts';
import { checkProjections } from './check-projections.ts';
import { checkViews } from './check-views.ts';
import type { Load } from './load.ts';
import { parkedMessages, untilQuiet } from './quiescence.ts';
import { endedProcesses } from './run-schedule.ts';
import { contexts } from './stores.ts';

const quietWithinMs = 120_000;
const viewsWithinMs = 60_000;

/** Waits until everything is quiet and looks at everything that must hold. Sentences on what does not. */
export async function checkAll(stack: SeparateStack, load: Load): Promise<string[]> {
  const ended = endedProcesses(stack);
  const loud = await untilQuiet(stack, quietWithinMs).then(
    () => [],
    (error: unknown) => [messageOf(error)],
  );
  const url = stack.postgres.url;
  return [
    ...ended,
    ...loud,
    ...(await checkRecords(stack, load)),
    ...(await checkViews(url, load.readers, viewsWithinMs)),
    ...(await checkProjections(url)),
    ...(await parkedMessages(url)),
  ];
}

async function checkRecords(stack: SeparateStack, { name, ledger }: Load): Promise<string[]> {
  const recorded = await readRecorded(stack.postgres.url);
  await using bus = await connectBus({
    servers: stack.servers.nats.url(),
    name: 'checker',
    ...stack.checkerCredentials,
  });
  const findings = [
    ...checkWrites(recorded.get('resource')!, ledger, name),
    ...checkFacts(recorded.get('inventory')!, ledger),
  ];
  for (const context of contexts) {
    const events = recorded.get(context)!;
    findings.push(...checkVersions(context, events), ...(await checkLog(bus, context, events)));
  }
  return findings;
}
