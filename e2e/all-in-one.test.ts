import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, runCommand, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AllInOne, startAllInOne } from './support/all-in-one.ts';

describe('postern start with auth_service and proxy_service', () => {
  let folder: string;
  let plane: AllInOne;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-all-in-one-'));
    plane = await startAllInOne(folder);
  });

  afterAll(async () => {
    await plane?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('is a control plane that tctl reaches', async () => {
    const { admin } = plane;
    expect(await admin.must('tctl', ['status'])).toContain('one.example.com');
    expect(await admin.must('tctl', ['get', 'users/admin', '--format=json'])).toContain('"admin"');
  });

  test('has every service on the bus', async () => {
    await until('all are online', async () => {
      const listed = await plane.admin.must('tctl', ['inventory', 'ls', '--connected', '--format=json']);
      const services = (JSON.parse(listed) as { services: string[] }[]).flatMap((agent) => agent.services);
      return ['Auth', 'Auth', 'Auth', 'Proxy'].every((name, at) => services.toSorted()[at] === name);
    });
  });

  test('says which servers are missing', async () => {
    const { code, stderr } = await runCommand(join(root, 'bin', 'postern'), ['start', '-c', plane.file], {
      env: { PATH: process.env['PATH'] ?? '', HOME: folder },
    });
    expect(code).toBe(7);
    expect(stderr).toContain('set POSTERN_PG_URL and POSTERN_NATS_URL');
  });
});
