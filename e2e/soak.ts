import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { messageOf } from '@postern/core';
import { formatReport } from './support/soak/report.ts';
import { runSoak } from './support/soak/run-soak.ts';
import { nodeIsPossible, startSoakGround } from './support/soak/soak-ground.ts';

const help = `npm run test:soak [-- options]   kubectl, exec, logs, informers and plain clients for half an hour, while agents are killed
and stopped and edges are rolled and killed; then nothing may be lost, left behind, or recorded other than once

  --minutes M   for how long (default 30)
  --pause S     seconds between a recovery and the next disturbance (default 10)
  --no-node     without a kubelet, and so without exec and logs; a kubelet ends the pods and logs of others on its machine
  --keep        leave the folder with logs and data even if all is well
`;

const calmMs = 60_000;

process.exit(await main());

async function main(): Promise<number> {
  const { values } = parseArgs({
    allowNegative: true,
    options: {
      minutes: { type: 'string', default: '30' },
      pause: { type: 'string', default: '10' },
      node: { type: 'boolean', default: true },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes);
  const pauseMs = Number(values.pause) * 1000;
  if (values.help || !(minutes > 0) || !(pauseMs >= 0)) {
    say(help);
    return values.help ? 0 : 2;
  }
  const possible = nodeIsPossible();
  if (values.node && !possible.ok) say(`NOT RUN: exec and logs, since ${possible.reason}`);
  const folder = mkdtempSync(join(tmpdir(), 'postern-soak-'));
  const roughMs = minutes * 60_000;
  const options = {
    folder,
    hasNode: values.node && possible.ok,
    ttlSeconds: 3600 + Math.ceil((2 * roughMs) / 1000),
  };
  const code = await soak(options, { calmMs: Math.min(calmMs, roughMs / 4), roughMs, pauseMs });
  if (code === 0 && !values.keep) rmSync(folder, { recursive: true, force: true });
  else say(`\nlogs and data are in ${folder}`);
  return code;
}

async function soak(
  options: Parameters<typeof startSoakGround>[0],
  plan: { readonly calmMs: number; readonly roughMs: number; readonly pauseMs: number },
): Promise<number> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
  const { signal } = stopping;
  try {
    say(`starting services, agents and an API server${options.hasNode ? ' with a node' : ''}`);
    await using ground = await startSoakGround(options);
    if (signal.aborted) return 130;
    const report = await runSoak(ground, { ...plan, signal, progress: say });
    say(`\n${formatReport(report)}`);
    if (signal.aborted) return 130;
    return report.findings.length === 0 ? 0 : 1;
  } catch (error) {
    say(signal.aborted ? 'stopped' : `ERROR: ${messageOf(error)}`);
    return signal.aborted ? 130 : 1;
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
