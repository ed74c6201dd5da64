import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { withLock } from '../src/index.ts';

/** No process has an id this large on Linux. */
const deadPid = 4_194_305;

describe('a lock', () => {
  test('lets one in at a time', async () => {
    const path = join(temporaryFolder(), 'x.lock');
    let inside = 0;
    let most = 0;
    const work = async () => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
    };
    await Promise.all(Array.from({ length: 8 }, () => withLock(path, 5000, work)));
    expect([most, readdirSync(join(path, '..'))]).toEqual([1, []]);
  });

  test('is given back when the work fails', async () => {
    const path = join(temporaryFolder(), 'x.lock');
    await expect(withLock(path, 100, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(existsSync(path)).toBe(false);
  });

  test('is taken over from a process that died', async () => {
    const path = join(temporaryFolder(), 'x.lock');
    writeFileSync(path, `${hostname()} ${deadPid}\n`);
    expect(await withLock(path, 1000, async () => 'done')).toBe('done');
  });

  test.each([
    ['', 'of kubectl, which writes nothing into it'],
    [`elsewhere ${deadPid}\n`, 'of another machine'],
  ])('with %j is held: it is one %s', async (content) => {
    const path = join(temporaryFolder(), 'x.lock');
    writeFileSync(path, content);
    await expect(withLock(path, 50, async () => 'done')).rejects.toMatchObject({ code: 'client.locked' });
  });
});
