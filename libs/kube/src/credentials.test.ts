import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Credentials, staticAuthorization, tokenFileSource } from './credentials.ts';

const folder = mkdtempSync(join(tmpdir(), 'postern-credentials-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const minute = 60_000;

function setup(lifeMs = 15 * minute) {
  const time = { ms: 1_000_000 };
  const clock = () => new Date(time.ms);
  const state = { asked: 0, failure: '' };
  const gates: (() => void)[] = [];
  const credentials = new Credentials(async () => {
    state.asked += 1;
    const token = `t${state.asked}`;
    await new Promise<void>((resolve) => void gates.push(resolve));
    if (state.failure !== '') throw new Error(state.failure);
    return { headers: ['authorization', token], goodUntil: new Date(time.ms + lifeMs) };
  }, clock);
  const answer = async () => {
    for (const open of gates.splice(0)) open();
    await credentials.refresh().catch(() => undefined);
  };
  return { time, state, credentials, answer };
}

describe('credentials', () => {
  test('that were not had yet are not sent as none', async () => {
    const { credentials, answer, state } = setup();
    expect(() => credentials.headers()).toThrow('cannot be had');
    expect(state.asked).toBe(1);
    await answer();
    expect(credentials.headers()).toEqual(['authorization', 't1']);
  });

  test('are replaced a minute before they end, while the old ones are in use', async () => {
    const { credentials, answer, state, time } = setup();
    void credentials.refresh();
    await answer();
    time.ms += 14 * minute - 1;
    expect(credentials.headers()).toEqual(['authorization', 't1']);
    expect(state.asked).toBe(1);
    time.ms += 1;
    expect(credentials.headers()).toEqual(['authorization', 't1']);
    expect(state.asked).toBe(2);
    await answer();
    expect(credentials.headers()).toEqual(['authorization', 't2']);
  });

  test('are asked for once, however many want them', async () => {
    const { credentials, answer, state } = setup();
    const all = Array.from({ length: 50 }, () => credentials.refresh());
    await answer();
    await Promise.all(all);
    expect(state.asked).toBe(1);
  });

  test('that a server refuses are replaced once, and not again for five seconds', async () => {
    const { credentials, answer, state, time } = setup();
    void credentials.refresh();
    await answer();
    time.ms += 6000;
    expect([credentials.refused(), credentials.refused()]).toEqual([true, false]);
    await answer();
    expect(credentials.headers()).toEqual(['authorization', 't2']);
    expect(credentials.refused()).toBe(false);
    time.ms += 6000;
    expect(credentials.refused()).toBe(true);
    expect(state.asked).toBe(3);
  });

  test('stay in use when they cannot be replaced, and say why', async () => {
    const { credentials, answer, state, time } = setup();
    void credentials.refresh();
    await answer();
    state.failure = 'STS is away';
    time.ms += 20 * minute;
    expect(credentials.headers()).toEqual(['authorization', 't1']);
    await answer();
    expect(credentials.problem).toBe('STS is away');
    expect(credentials.headers()).toEqual(['authorization', 't1']);
    state.failure = '';
    time.ms += 6000;
    credentials.headers();
    await answer();
    expect(credentials.problem).toBeUndefined();
  });
});

describe('a token file', () => {
  test('is read again every minute, and an empty one keeps what was read before', async () => {
    const time = { ms: 1_000_000 };
    const clock = () => new Date(time.ms);
    const file = join(folder, 'token');
    writeFileSync(file, 'first\n');
    const credentials = new Credentials(tokenFileSource(file, clock), clock, {
      ...staticAuthorization({ token: 'first' }),
      goodUntil: clock(),
    });
    await credentials.refresh();
    writeFileSync(file, 'second\n');
    expect(credentials.headers()).toEqual(['authorization', 'Bearer first']);
    time.ms += 60_000;
    credentials.headers();
    await credentials.refresh();
    expect(credentials.headers()).toEqual(['authorization', 'Bearer second']);
    writeFileSync(file, '');
    await credentials.refresh();
    expect(credentials.headers()).toEqual(['authorization', 'Bearer second']);
    expect(credentials.problem).toContain('is empty');
  });
});

test('a token, a name with a password, and nothing are what they are', () => {
  expect(staticAuthorization({ token: 'x' }).headers).toEqual(['authorization', 'Bearer x']);
  expect(staticAuthorization({ basic: { username: 'a', password: 'b' } }).headers).toEqual([
    'authorization',
    'Basic YTpi',
  ]);
  expect(staticAuthorization({}).headers).toEqual([]);
});
