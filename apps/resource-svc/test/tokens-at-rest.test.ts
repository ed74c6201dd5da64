import { sha256Hex } from '@postern/core';
import { until } from '@postern/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startService, type TestService } from './support/service.ts';

const name = 'canary-0f1e2d3c4b5a69788796a5b4c3d2e1f0';
let service: TestService;

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service[Symbol.asyncDispose]());

test('no table, message or log holds the name of a token, which is found by its hash (J-12, J-16)', async () => {
  const messages: string[] = [];
  service.bus.subscribe('>', {}, (message) => void messages.push(message.text()));
  const body = { kind: 'token', version: 'v2', metadata: { name }, spec: { roles: ['Kube'] } };
  expect((await service.as('admin')({ method: 'POST', path: '/v1/resources/token', body })).status).toBe(201);
  const { db } = service.store;
  const { rows: tables } = await sql<{ table_name: string }>`select table_name from information_schema.tables
    where table_schema = current_schema() and table_type = 'BASE TABLE'`.execute(db);
  const dumps = await Promise.all(
    tables.map(({ table_name: table }) =>
      sql<{ row: string }>`select to_jsonb(t)::text as row from ${sql.table(table)} t`.execute(db),
    ),
  );
  await until('it is on the bus', () => Promise.resolve(messages.join().includes(sha256Hex(name))));
  const everything = [
    ...dumps.flatMap(({ rows }) => rows.map(({ row }) => row)),
    ...messages,
    ...service.telemetry.lines,
  ].join('\n');
  expect(everything).toContain(sha256Hex(name));
  expect(everything).not.toContain(name);
  expect(everything).not.toContain(Buffer.from(name).toString('base64'));
});
