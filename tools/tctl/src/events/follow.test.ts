import type { EventsApi, EventService, EventsPage, EventView } from '@postern/client';
import { AppError } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { followEvents, type Following } from './follow.ts';

const event = (context: string, sequence: number, second: number): EventView => ({
  context,
  sequence,
  id: `${context}-${sequence}`,
  stream: 'a/b',
  version: 1,
  type: 'T',
  v: 1,
  at: new Date(second * 1000).toISOString(),
  actor: '',
  correlationId: '',
  data: {},
});

/** Logs of three services, read two events at a time; a call may be made to fail first. */
class Logs {
  readonly logs: Record<EventService, EventView[]> = { join: [], resource: [], inventory: [] };
  readonly failures = new Map<EventService, (Error | undefined)[]>();
  readonly asked: string[] = [];

  add(service: EventService, second: number): void {
    this.logs[service].push(event(service, this.logs[service].length + 1, second));
  }

  async page(
    service: EventService,
    { after, since, wait }: { after?: string; since?: string; wait?: string },
    signal?: AbortSignal,
  ): Promise<EventsPage> {
    this.asked.push(`${service} ${after ?? since ?? 'now'}`);
    await new Promise((resolve) => setTimeout(resolve, wait === undefined ? 0 : 5));
    signal?.throwIfAborted();
    const failure = this.failures.get(service)?.shift();
    if (failure !== undefined) throw failure;
    const log = this.logs[service];
    const start = after === undefined ? (since === undefined ? log.length : 0) : Number(after);
    const events = log.slice(start, start + 2);
    const next = start + events.length;
    return { events, next: String(next), isCurrent: next >= log.length };
  }
}

function following(logs: Logs, query: Following['query'] = { since: '2026-01-01T00:00:00Z' }) {
  const stop = new AbortController();
  const out: string[] = [];
  const notes: string[] = [];
  const done = followEvents({
    events: logs as unknown as EventsApi,
    query,
    signal: stop.signal,
    emit: ({ id }) => void out.push(id),
    note: (text) => void notes.push(text),
  });
  return { out, notes, done, stop: () => stop.abort() };
}

const away = () => new AppError('unavailable', 'edge.service_unavailable', 'it cannot be reached');
const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 5000, interval: 5 });

describe('following events', () => {
  test('shows what was, in order of time, and then what comes, until it is stopped', async () => {
    const logs = new Logs();
    for (let second = 1; second <= 9; second += 1)
      logs.add((['join', 'resource', 'inventory'] as const)[second % 3]!, second);
    const { out, done, stop } = following(logs);
    await eventually(() => out.length).toBe(9);
    expect(out).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map(
        (second) => `${['join', 'resource', 'inventory'][second % 3]}-${Math.floor((second - 1) / 3) + 1}`,
      ),
    );
    logs.add('join', 10);
    await eventually(() => out.at(-1)).toBe('join-4');
    stop();
    await done;
  });

  test('misses and repeats nothing when a service is away for a while', async () => {
    const logs = new Logs();
    for (let second = 1; second <= 6; second += 1) logs.add('resource', second);
    logs.failures.set('resource', [undefined, away(), away()]);
    const { out, notes, done, stop } = following(logs);
    await eventually(() => out.length).toBe(6);
    expect(out).toEqual([1, 2, 3, 4, 5, 6].map((sequence) => `resource-${sequence}`));
    expect(notes).toEqual(['resource: it cannot be reached; trying again', 'resource: events come again']);
    stop();
    await done;
  });

  test('begins where it was told to also when the first call fails', async () => {
    const logs = new Logs();
    logs.add('join', 1);
    logs.failures.set('join', [away()]);
    const { out, done, stop } = following(logs);
    await eventually(() => out).toEqual(['join-1']);
    expect(logs.asked.filter((ask) => ask === 'join 2026-01-01T00:00:00Z')).toHaveLength(2);
    stop();
    await done;
  });

  test('without a beginning shows only what comes', async () => {
    const logs = new Logs();
    logs.add('join', 1);
    const { out, done, stop } = following(logs, {});
    await eventually(() => logs.asked.filter((ask) => ask.startsWith('join')).length).toBeGreaterThan(2);
    logs.add('join', 2);
    await eventually(() => out).toEqual(['join-2']);
    stop();
    await done;
  });

  test('ends with the reason when a service refuses', async () => {
    const logs = new Logs();
    logs.failures.set('inventory', [new AppError('permission_denied', 'x.denied', 'not for you')]);
    const { done } = following(logs);
    await expect(done).rejects.toMatchObject({ code: 'x.denied' });
  });
});
