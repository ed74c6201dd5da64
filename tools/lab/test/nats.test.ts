import { expect, onTestFinished, test } from 'vitest';
import { type Nats, startNats } from '../src/index.ts';
import { identifyProcess, isAlive } from '../src/process/process-identity.ts';
import { startUnderDoomedParent } from './support/doomed-parent.ts';
import { countStored, store } from './support/messages.ts';
import { tempDir } from './support/temp-dir.ts';

async function start(dir: string, config = ''): Promise<Nats> {
  const nats = await startNats({ dir, config });
  onTestFinished(() => nats.stop());
  return nats;
}

test('keeps acknowledged messages over its own kill -9', async () => {
  const dir = tempDir();
  const first = await start(dir);
  await store(first.url, 100);
  await first.kill9();
  const second = await start(dir);
  expect(second.url).toBe(first.url);
  expect(await countStored(second.url)).toBe(100);
});

test('outlives the kill -9 of its owner and is taken over by the next start', async () => {
  const dir = tempDir();
  const doomed = await startUnderDoomedParent('nats', dir);
  await store(doomed.url, 100);
  const orphan = identifyProcess(doomed.pid)!;
  await doomed.killOwner();
  expect(isAlive(orphan)).toBe(true);
  const next = await start(dir);
  expect(isAlive(orphan)).toBe(false);
  expect(next.url).toBe(doomed.url);
  expect(await countStored(next.url)).toBe(100);
});

test('runs with the configuration given to it', async () => {
  const nats = await start(tempDir(), 'max_payload: 4096\n');
  const facts = (await (await fetch(`${nats.monitorUrl}/varz`)).json()) as {
    max_payload: number;
    host: string;
  };
  expect(facts).toMatchObject({ max_payload: 4096, host: '127.0.0.1' });
});

test('tells what is wrong with a configuration it cannot run', async () => {
  await expect(startNats({ dir: tempDir(), config: 'max_payload: nonsense\n' })).rejects.toThrow(
    /nats-server\.conf:\d+/,
  );
});
