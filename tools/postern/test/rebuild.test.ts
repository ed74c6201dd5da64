import { runToolHere } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { postern } from '../src/commands/index.ts';

const run = (args: readonly string[]) => runToolHere(postern, ['rebuild', ...args], { cwd: '/' });

describe('postern rebuild', () => {
  test('names the services that it knows', async () => {
    expect(await run(['--service=kube-proxy'])).toEqual({
      code: 2,
      out: '',
      err: 'ERROR: no service "kube-proxy" has rows to make again: there are join, resource, inventory\n',
    });
  });

  test('says that it needs the address of the database', async () => {
    const { code, err } = await run(['--service=resource-svc']);
    expect(code).toBe(2);
    expect(err).toContain('POSTERN_PG_URL');
  });
});
