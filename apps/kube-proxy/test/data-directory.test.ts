import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { systemClock } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { temporaryFolder } from '@postern/testkit';
import { expect, test } from 'vitest';
import { openFacts } from '../src/facts/open-facts.ts';
import { MemoryBus } from './support/memory-bus.ts';
import { until } from './support/rig.ts';

function open(dataDir: string, { bus = new MemoryBus(), agentId = 'edge-1' } = {}) {
  const deps = { bus, log: silentTelemetry().log, clock: systemClock, agentId };
  return openFacts(deps, { dataDir, maxBytes: 2 ** 26, syncMs: 1000, onFull: 'refuse' });
}

const inUse = {
  code: 'kube.data_dir_in_use',
  message: expect.stringContaining('POSTERN_DATA_DIR') as string,
};

test('a data directory is refused while another process has it, and open once that was killed', async () => {
  const dataDir = temporaryFolder();
  const script = join(import.meta.dirname, 'support/hold-facts.ts');
  const other = spawn(process.execPath, [script, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(other, 'exit');
  try {
    await once(other.stdout, 'data');
    await expect(open(dataDir)).rejects.toMatchObject(inUse);
    await expect(open(dataDir)).rejects.toMatchObject(inUse);
  } finally {
    other.kill('SIGKILL');
    await ended;
  }
  const bus = new MemoryBus();
  await using _ = await open(dataDir, { bus });
  await until(() => bus.facts.length === 1, 'what it had promised is told');
  expect(bus.facts.map(({ id }) => id)).toEqual(['request-1']);
});

test('a data directory is open again once the one who had it has closed it, and another agent has one of its own', async () => {
  const dataDir = temporaryFolder();
  const first = await open(dataDir);
  await expect(open(dataDir)).rejects.toMatchObject(inUse);
  await using _another = await open(dataDir, { agentId: 'edge-2' });
  await first[Symbol.asyncDispose]();
  await using _again = await open(dataDir);
  await expect(open(dataDir)).rejects.toMatchObject(inUse);
});
