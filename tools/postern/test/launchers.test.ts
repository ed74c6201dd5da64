import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '@postern/core';
import { temporaryFolder } from '@postern/testkit';
import { describe, expect, test } from 'vitest';

const bin = join(import.meta.dirname, '..', '..', '..', 'bin');

function run(
  program: string,
  args: readonly string[],
  cwd: string,
): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    // A path without Node: the launcher must bring its own.
    execFile(program, args, { cwd, env: { PATH: '/usr/bin:/bin' } }, (error, out, err) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err });
    });
  });
}

describe.each(['tctl', 'tsh', 'postern'])('the launcher of %s', (tool) => {
  test('runs from any folder', async () => {
    expect((await run(join(bin, tool), ['version'], temporaryFolder())).out).toMatch(
      `Postern v${version} node v26`,
    );
  });

  test('runs through symbolic links, absolute and relative', async () => {
    const folder = temporaryFolder();
    symlinkSync(join(bin, tool), join(folder, 'absolute'));
    symlinkSync('absolute', join(folder, 'relative'));
    expect((await run(join(folder, 'relative'), ['version'], '/')).out).toContain('Postern v');
  });

  test('says what to do where dependencies are missing', async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'bin'));
    copyFileSync(join(bin, tool), join(folder, 'bin', tool));
    const { code, err } = await run(join(folder, 'bin', tool), ['version'], '/');
    expect([code, err]).toEqual([
      1,
      `ERROR: dependencies are not installed: run 'npm install' (or 'npm start') in ${folder} first\n`,
    ]);
  });
});
