import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { temporaryFolder } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { FactLog, type FactLogOptions } from '../src/facts/fact-log.ts';
import { MemoryBus } from './support/memory-bus.ts';
import { until } from './support/rig.ts';

function open(bus: MemoryBus, folder: string, options: Partial<FactLogOptions> = {}) {
  const { log } = silentTelemetry();
  return FactLog.open(
    { bus, log, clock: systemClock, agentId: 'edge-1' },
    { folder, maxBytes: 2 ** 28, syncMs: 1000, onFull: 'refuse', ...options },
  );
}

const fact = (outcome = 'known') => ({ type: 'KubeRequestAudited', v: 3, data: { outcome } });
const now = () => new Date();

describe('facts', () => {
  test('wait on disk and not in memory while the bus is away for long, and none is lost (R-06)', async () => {
    const bus = new MemoryBus();
    const folder = temporaryFolder();
    bus.isAway = true;
    await using facts = await open(bus, folder, { maxQueued: 500, segmentBytes: 50_000 });
    let most = 0;
    for (let number = 0; number < 25_000; number += 1) {
      facts.add(fact(), now(), `f${number}`);
      most = Math.max(most, facts.backlog);
      if (number % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(most).toBeLessThan(2000);
    expect(facts.usedBytes).toBeGreaterThan(2_000_000);
    bus.isAway = false;
    await until(() => bus.facts.length >= 25_000, 'everything is published', 20_000);
    expect(new Set(bus.facts.map(({ id }) => id)).size).toBe(25_000);
    expect([bus.facts.length, facts.lost]).toEqual([25_000, 0]);
    await until(() => facts.usedBytes < 300_000, 'the disk is free again');
  });

  test('that an earlier process left are published under their own ids, and their files go', async () => {
    const folder = temporaryFolder();
    const away = new MemoryBus();
    away.isAway = true;
    const crashed = await open(away, folder);
    for (const id of ['a', 'b']) crashed.add(fact(), now(), id);
    await crashed.promise(fact('unknown'), now(), 'c');
    const bus = new MemoryBus();
    const facts = await open(bus, folder);
    await until(() => bus.facts.length === 3, 'what was left is published');
    expect(bus.facts.map(({ id, data }) => [id, data['outcome']])).toEqual([
      ['a', 'known'],
      ['b', 'known'],
      ['c', 'unknown'],
    ]);
    await facts[Symbol.asyncDispose]();
    expect(readdirSync(folder).length).toBeLessThan(2);
  });

  test('of a process that is killed at any moment are all there afterwards, each once (R-02)', async () => {
    for (const afterLines of [1, 40, 400]) {
      const folder = temporaryFolder();
      const said = await killedAfter(afterLines, folder);
      const bus = new MemoryBus();
      await using _ = await open(bus, folder);
      const promised = said.filter((line) => line.startsWith('promised ')).map((line) => line.slice(9));
      const told = said.filter((line) => line.startsWith('told ')).map((line) => line.slice(5));
      const found = () => new Map(bus.facts.map(({ id, data }) => [id, data['outcome']]));
      await until(() => promised.every((id) => found().has(id)), 'all that was promised is published');
      expect(bus.facts.length).toBe(found().size);
      expect(told.filter((id) => found().get(id) !== 'known')).toEqual([]);
      for (const id of promised.filter((each) => Number(each.slice(8)) % 3 === 0))
        expect(found().get(id)).toBe('unknown');
    }
  });

  test('that cannot be kept are refused or counted, as is configured, and never dropped in silence (X-10)', async () => {
    for (const onFull of ['refuse', 'continue'] as const) {
      const bus = new MemoryBus();
      bus.isAway = true;
      await using facts = await open(bus, temporaryFolder(), {
        onFull,
        maxBytes: 50_000,
        segmentBytes: 5000,
        maxQueued: 100,
      });
      let number = 0;
      while (facts.lost === 0 && number < 5000) {
        facts.add(fact(), now(), `f${(number += 1)}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(facts.lost).toBe(1);
      expect(facts.usedBytes).toBeLessThan(60_000);
      expect(facts.mustRefuse).toBe(onFull === 'refuse');
      bus.isAway = false;
      await until(() => bus.facts.length === number - 1, 'what was kept is published', 20_000);
      expect(facts.mustRefuse).toBe(false);
    }
  });
});

/** What the process said until it had said that many lines and was killed. */
async function killedAfter(lines: number, folder: string): Promise<string[]> {
  const script = join(import.meta.dirname, 'support/promise-until-killed.ts');
  const child: ChildProcess = spawn(process.execPath, [script, folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  let text = '';
  child.stdout!.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (text.split('\n').length > lines) child.kill('SIGKILL');
  });
  await ended;
  return text.split('\n').slice(0, -1);
}
