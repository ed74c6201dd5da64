import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectBus } from '@postern/bus';
import { type SeparateStack, root, startSeparately, until } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMany } from './support/create-many.ts';

interface Shown {
  readonly id: string;
  readonly type: string;
  readonly context: string;
  readonly sequence: number;
  readonly data: Readonly<Record<string, unknown>>;
}

describe('the events of a cluster', () => {
  let folder: string;
  let stack: SeparateStack;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-events-'));
    stack = await startSeparately(folder);
  });

  afterAll(async () => {
    await stack?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const tail = (...args: string[]) => {
    const child = spawn(join(root, 'bin', 'tctl'), ['events', 'tail', '--format=json', ...args], {
      env: { ...stack.admin.env },
      cwd: folder,
    });
    let text = '';
    let notes = '';
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (notes += chunk.toString()));
    const ended = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    return {
      events: () =>
        text
          .split('\n')
          .slice(0, -1)
          .map((line) => JSON.parse(line) as Shown),
      notes: () => notes,
      async stop() {
        child.kill('SIGINT');
        return (await ended)[0];
      },
    };
  };

  test('are shown as they happen, each once and without a gap, while services and the bus are killed', async () => {
    const shown = tail('--type=ResourceUpserted', '--subject=evt.resource.*.role.>', '--since=1h');
    await until('what was before is shown', () => shown.events().length > 0, { withinMs: 60_000 });
    for (const victim of ['resource-svc', 'nats', 'kube-proxy'] as const) {
      const outcome = createMany(stack, `tail-${victim}`, 200);
      await outcome.underway;
      await stack.kill9(victim);
      await stack.revive(victim);
      const created = await outcome.done;
      const names = () =>
        shown
          .events()
          .map(({ data }) => String(data['id']))
          .filter((id) => id.startsWith(`tail-${victim}-`));
      await until(
        `what was created is shown (${victim})`,
        () => created.every((name) => names().includes(name)),
        {
          withinMs: 60_000,
          everyMs: 500,
        },
      );
      expect(new Set(names()).size).toBe(names().length);
    }
    const sequences = shown.events().map(({ sequence }) => sequence);
    expect(sequences).toEqual(sequences.toSorted((a, b) => a - b));
    expect(await shown.stop()).toBe(0);
  });

  test('come from all services, the oldest first', async () => {
    const shown = tail('--since=1h');
    const contexts = () => new Set(shown.events().map(({ context }) => context));
    await until('all have spoken', () => contexts().size === 3, { withinMs: 30_000 });
    // The authorities were there before anything could be created or served.
    expect(shown.events()[0]).toMatchObject({ context: 'join', type: 'AuthorityCreated' });
    expect(await shown.stop()).toBe(0);
  });

  test('that cannot be handled are listed, retried and dropped', async () => {
    await using bus = await connectBus({
      servers: stack.servers.nats.url(),
      name: 'test',
      ...stack.checkerCredentials,
    });
    await bus.publishDurable('agent.mallory.fact.KubeRequestAudited', { is: 'no fact' });
    const listed = async () =>
      JSON.parse(await stack.admin.must('tctl', ['events', 'parked', 'ls', '--format=json'])) as {
        id: string;
        code: string;
        service: string;
      }[];
    const [message] = await until('it is parked', async () => {
      const all = await listed();
      return all.length === 1 && all;
    });
    expect(message).toMatchObject({ service: 'inventory', code: 'inventory.fact_refused' });
    expect(await stack.admin.must('tctl', ['events', 'parked', 'ls'])).toContain('inventory__facts');
    const retried = await stack.admin.run('tctl', ['events', 'parked', 'retry', message!.id]);
    expect([retried.code, retried.stderr]).toEqual([7, expect.stringContaining('malformed')]);
    const id = message!.id;
    await stack.admin.must('tctl', ['events', 'parked', 'drop', id, '--reason', 'a test']);
    expect(await listed()).toEqual([]);
    expect(await stack.admin.must('tctl', ['events', 'parked', 'ls'])).toContain('No messages are parked.');
    const again = await stack.admin.run('tctl', ['events', 'parked', 'drop', id, '--reason', 'again']);
    expect(again.code).toBe(5);
  });
});
