import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { tryClaim } from './claim-file.ts';
import { withLock } from './lock-file.ts';

function lockFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'postern-lock-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('lets one piece of work run at a time', async () => {
  const file = join(lockFolder(), 'lock');
  const waited: number[] = [];
  const order: string[] = [];
  let finishFirst: () => void = () => {};
  const first = withLock(file, {}, async () => {
    order.push('first begins');
    await new Promise<void>((resolve) => (finishFirst = resolve));
    order.push('first ends');
  });
  const second = withLock(file, { onWait: (pid) => (waited.push(pid), finishFirst()) }, async () => {
    order.push('second');
  });
  await Promise.all([first, second]);
  expect(order).toEqual(['first begins', 'first ends', 'second']);
  expect(waited).toEqual([process.pid]);
});

test('is given up when the work fails', async () => {
  const dir = lockFolder();
  const work = () => Promise.reject(new Error('broken'));
  await expect(withLock(join(dir, 'lock'), {}, work)).rejects.toThrow('broken');
  expect(readdirSync(dir)).toEqual([]);
});

test.each([
  ['a process that is gone', JSON.stringify({ owner: { pid: 4_194_303, startedAt: '1' } })],
  ['a process whose pid is now another one', JSON.stringify({ owner: { pid: process.pid, startedAt: '1' } })],
  ['a write that was cut off', '{"owner":'],
])('is broken when it was left by %s', async (_, content) => {
  const dir = lockFolder();
  writeFileSync(join(dir, 'lock'), content);
  expect(await withLock(join(dir, 'lock'), {}, async () => 'done')).toBe('done');
  expect(readdirSync(dir)).toEqual([]);
});

test('stops waiting when aborted', async () => {
  const file = join(lockFolder(), 'lock');
  expect(tryClaim(file)).toBeUndefined();
  const abort = new AbortController();
  const onWait = () => abort.abort(new Error('enough'));
  await expect(withLock(file, { onWait, signal: abort.signal }, async () => 'never')).rejects.toThrow(
    'enough',
  );
});
