import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KubeRequestAudited } from '@postern/contracts';
import { Secret, systemClock, uuidv7 } from '@postern/core';
import type { AppendItem } from '@postern/event-store';
import { openInventoryStore } from '@postern/inventory-svc';
import { freePort, type Nats, type Postgres, startNats, startPostgres } from '@postern/lab';
import { rebuildableServices } from '@postern/postern';
import { silentTelemetry } from '@postern/telemetry';
import { root, runCommand, startProcess, toolsFor, until } from '@postern/testkit';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { actsFileVariable, type OutwardActs } from './support/outward-acts.ts';

const watch = join(import.meta.dirname, 'support', 'outward-acts.ts');
const postern = join(root, 'bin', 'postern');
const requests = 6000;

describe('a replay of every event', () => {
  let folder: string;
  let postgres: Postgres;
  let nats: Nats;
  let live: OutwardActs;
  let natsAtRest: unknown;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-replay-'));
    postgres = await startPostgres({ dataDir: join(folder, 'postgres'), durable: false });
    nats = await startNats({ dir: join(folder, 'nats') });
    live = await useControlPlane();
    await auditRequests();
    natsAtRest = await natsTraffic();
  });

  afterAll(async () => {
    await nats?.stop();
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const environment = (acts: string) => ({
    PATH: process.env['PATH'] ?? '',
    HOME: folder,
    POSTERN_PG_URL: postgres.url,
    POSTERN_NATS_URL: nats.url,
    NODE_OPTIONS: `--import=${watch}`,
    [actsFileVariable]: join(folder, acts),
  });
  const actsIn = (file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as OutwardActs;

  /** Every service in one process: agents join, resources with secrets come and go. */
  async function useControlPlane(): Promise<OutwardActs> {
    const edge = `127.0.0.1:${await freePort()}`;
    const [file, dataDir] = [join(folder, 'teleport.yaml'), join(folder, 'data')];
    await writeFile(
      file,
      `version: v3\nteleport:\n  data_dir: ${dataDir}\nauth_service:\n  enabled: "yes"\n  cluster_name: one.example.com\n` +
        `proxy_service:\n  enabled: "yes"\n  web_listen_addr: ${edge}\n  public_addr: ${edge}\nssh_service: {enabled: "no"}\n`,
    );
    const env = environment('live.json');
    const running = startProcess({
      name: 'live',
      command: postern,
      args: ['start', '-c', file],
      env,
      cwd: folder,
      logDir: folder,
    });
    const admin = toolsFor({ home: folder, dataDir });
    await until('tctl status', async () => (await admin.run('tctl', ['status'])).code === 0);
    const role = (name: string) =>
      `kind: role\nversion: v7\nmetadata: {name: ${name}}\nspec: {allow: {kubernetes_groups: [viewers]}}\n`;
    await writeFile(join(folder, 'roles.yaml'), [role('one'), role('two')].join('---\n'));
    await admin.must('tctl', ['create', '-f', join(folder, 'roles.yaml')]);
    await admin.must('tctl', ['tokens', 'add', '--type=kube', '--value=gone-0123456789abcdef']);
    await admin.must('tctl', ['tokens', 'rm', 'gone-0123456789abcdef']);
    await admin.must('tctl', ['rm', 'role/two']);
    await running.stop();
    return actsIn('live.json');
  }

  /** More requests than fit one page of a replay. */
  async function auditRequests(): Promise<void> {
    const deps = { telemetry: silentTelemetry(), clock: systemClock };
    await using store = await openInventoryStore(new Secret(postgres.url), deps);
    await store.append(Array.from({ length: requests }, auditItem));
    const { rebuild } = rebuildableServices.find(({ name }) => name === 'inventory')!;
    await rebuild(new Secret(postgres.url), deps.telemetry, {});
  }

  async function natsTraffic() {
    const varz = (await (await fetch(`${nats.monitorUrl}/varz`)).json()) as Record<string, unknown>;
    return { in_msgs: varz['in_msgs'], total_connections: varz['total_connections'] };
  }

  async function query<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
    const client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    try {
      return (await client.query<Row>(text)).rows;
    } finally {
      await client.end();
    }
  }

  /** Number and digest of the rows of every table of every service. */
  async function contents(): Promise<Record<string, string>> {
    const tables = await query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname in ('join', 'resource', 'inventory') order by 1`,
    );
    const all: Record<string, string> = {};
    for (const { name } of tables) {
      const [row] = await query<{ digest: string }>(
        `select format('%s %s', count(*), md5(string_agg(md5(t::text), '' order by md5(t::text)))) as digest from ${name} t`,
      );
      all[name] = row!.digest;
    }
    return all;
  }

  test('brings back every row that was there, and changes no other', async () => {
    const before = await contents();
    expect(before['inventory.kube_request']).toMatch(`${requests} `);
    await query('delete from resource.resource');
    await query('delete from resource.resource_gone');
    await query(`update inventory.kube_request set decision = 'wrong'`);
    for (const { name } of rebuildableServices) {
      const env = environment(`${name}.json`);
      expect(await runCommand(postern, ['rebuild', '--service', name], { env })).toMatchObject({ code: 0 });
    }
    expect(await contents()).toEqual(before);
  });

  test('reaches nobody but Postgres, publishes nothing, issues and signs nothing, while the same services live do all of it', async () => {
    const [db, bus] = [String(postgres.port), String(nats.port)];
    const others = Object.keys(live.connections).filter((port) => port !== db && port !== bus);
    expect(others.length).toBeGreaterThan(0);
    expect(live.connections[bus]).toBeGreaterThan(0);
    expect(live.signatures).toBeGreaterThan(5);
    expect(natsAtRest).toMatchObject({ in_msgs: expect.any(Number) });
    expect((natsAtRest as { in_msgs: number }).in_msgs).toBeGreaterThan(20);
    for (const { name } of rebuildableServices) {
      const { connections, signatures } = actsIn(`${name}.json`);
      expect({ name, reached: Object.keys(connections), signatures }).toEqual({
        name,
        reached: [db],
        signatures: 0,
      });
    }
    expect(await natsTraffic()).toEqual(natsAtRest);
  });

  test('leaves no secret behind that a command deleted', async () => {
    const [gone] = await query<{ count: string }>(
      `select count(*) from resource.resource_gone where kind in ('token', 'role')`,
    );
    expect(Number(gone!.count)).toBe(2);
    const [left] = await query<{ count: string }>(
      `select count(*) from resource.resource_secret where kind = 'token'`,
    );
    expect(Number(left!.count)).toBe(0);
  });
});

function auditItem(_: unknown, index: number): AppendItem {
  const event = KubeRequestAudited({
    requestId: uuidv7(),
    auditId: '',
    user: `user-${index % 7}`,
    session: uuidv7(),
    cluster: 'prod',
    decision: 'allow',
    reason: '',
    roles: ['viewer'],
    method: 'GET',
    path: '/api/v1/pods',
    verb: 'list',
    apiGroup: '',
    apiVersion: 'v1',
    resource: 'pods',
    subresource: '',
    namespace: '',
    name: '',
    impersonate: { users: [], groups: [] },
    kubeUser: 'viewer',
    kubeGroups: [],
    outcome: 'known',
    status: 200,
    isStream: false,
    durationMs: 1,
    bytesIn: 0,
    bytesOut: 0,
    policyRevision: '',
    edge: uuidv7(),
    sourceIp: '10.0.0.9',
    userAgent: '',
  });
  return {
    stream: `kube_request/${uuidv7()}`,
    version: 1,
    id: uuidv7(),
    event,
  };
}
