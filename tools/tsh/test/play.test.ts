import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fakeControlPlane, type FakeControlPlane, runToolHere } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { tsh } from '../src/commands/index.ts';

const id = '01a1fc2f-7b00-7d20-b7a4-0a1b2c3d4e5f';
const cast = `${[
  { version: 2, width: 80, height: 24 },
  [0.5, 'o', '$ id\r\n'],
  [1, 'o', '\u001b]52;c;cm0gLXJmIC8=\u0007\u001b[31mroot\u001b[0m\r\n'],
  [1, 'm', 'exit code 0'],
]
  .map((line) => JSON.stringify(line))
  .join('\n')}\n`;

let plane: FakeControlPlane;
let folder: string;
let identityFile: string;

beforeAll(async () => {
  plane = await fakeControlPlane();
  folder = mkdtempSync(join(tmpdir(), 'postern-play-'));
  identityFile = join(folder, 'identity');
  writeFileSync(identityFile, await plane.identity('alice'), { mode: 0o600 });
});

afterAll(async () => {
  await plane[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

function keep(text: string, { isComplete = true, sha256 = digestOf(cast) } = {}): void {
  const place = { cluster: 'prod', namespace: 'dev', pod: 'web', container: 'app' };
  const recording = {
    sessionId: id,
    requestId: id,
    user: 'alice',
    kubeUser: 'alice',
    type: 'exec',
    ...place,
    isTty: true,
    hasStdin: true,
    startedAt: '2026-11-28T10:00:00.000Z',
    storedAt: '2026-11-28T10:01:00.000Z',
    command: 'sh -c \u001b[31mid',
    bytes: cast.length,
    isComplete,
  };
  plane.replies.set(`/v1/recordings/${id}`, { recording, sha256 });
  plane.replies.set('/v1/recordings', { recordings: [recording], next: '' });
  plane.replies.set(`/v1/recordings/${id}/parts/0`, { data: Buffer.from(text).toString('base64') });
  for (let at = 1; at <= cast.length; at += 1)
    plane.replies.set(`/v1/recordings/${id}/parts/${at}`, { data: '' });
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('hex');
const run = (...args: string[]) => runToolHere(tsh, ['-i', identityFile, ...args], { cwd: folder });

describe('a recording', () => {
  test('is played as the terminal showed it, without what does more than show (R-09)', async () => {
    keep(cast);
    const { code, out } = await run('play', id, '--speed', '1000');
    expect(code).toBe(0);
    expect(out).toContain('$ id\r\n\u001b[31mroot\u001b[0m\r\n');
    expect(out).not.toContain('\u001b]52');
    expect((await run('play', id, '--format', 'text')).out).toBe('$ id\nroot\n');
    expect((await run('play', id, '--format', 'json')).out).toBe(cast);
  });

  test('that was changed or cut short since it was stored is told to prove nothing (R-07)', async () => {
    for (const text of [cast.replace('root', 'toor'), cast.slice(0, -20)]) {
      keep(text);
      const { code, err } = await run('play', id, '--format', 'text');
      expect(code).not.toBe(0);
      expect(err).toContain('IS NOT as it was stored');
    }
  });

  test('of a proxy that ended before the session is told to be incomplete', async () => {
    keep(cast, { isComplete: false });
    const { code, err } = await run('play', id, '--format', 'text');
    expect([code, err]).toEqual([
      0,
      'The recording is incomplete: the proxy ended before the session did.\n',
    ]);
  });

  test('is listed without what its command would do to a terminal, and raw as JSON (Q-09)', async () => {
    keep(cast);
    const { out } = await run('recordings', 'ls');
    expect(out).toContain(id);
    expect(out).not.toContain('\u001b');
    const [listed] = JSON.parse((await run('recordings', 'ls', '--format', 'json')).out) as {
      command: string;
    }[];
    expect(listed!.command).toBe('sh -c \u001b[31mid');
  });

  test.each([
    ['--speed', '0'],
    ['--speed', 'fast'],
    ['--format', 'gif'],
  ])('is not played with %s %s', async (...flags) => {
    expect((await run('play', id, ...flags)).code).toBe(2);
  });
});
