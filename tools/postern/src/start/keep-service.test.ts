import { IdentityEnded, Outbound } from '@postern/agent';
import { readTeleportYaml } from '@postern/config';
import { systemClock } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Host } from './host.ts';
import { keepService } from './keep-service.ts';

let stop: AbortController;
let scope: AsyncDisposableStack;
let happened: string[];
/** Ends of the identities of the services that were started, in order. */
let identities: AbortController[];

beforeEach(() => {
  stop = new AbortController();
  scope = new AsyncDisposableStack();
  happened = [];
  identities = [];
});
afterEach(() => scope.disposeAsync());

const hostOf = (): Host => ({
  config: readTeleportYaml('ssh_service: {enabled: "no"}'),
  env: {},
  signal: stop.signal,
  joinUrls: [],
  trust: { caFile: undefined },
  outbound: new Outbound(),
  telemetry: silentTelemetry(),
  clock: systemClock,
  scope,
});

/** A service with an identity of its own at each start; closing takes a moment. */
const start = async (host: Host) => {
  const lost = new AbortController();
  const number = identities.push(lost);
  if (number > 3) throw new Error('the control plane refuses it');
  happened.push(`begins ${number}`);
  host.scope.defer(async () => {
    await Promise.resolve();
    happened.push(`has ended ${number}`);
  });
  return { name: 'kube', ready: Promise.resolve(), identity: { lost: lost.signal } };
};

const refuse = (number: number, reason: unknown = new Error('this agent is not known here')) =>
  identities[number - 1]!.abort(reason);
const begun = (number: number) => expect.poll(() => identities.length, { timeout: 5000 }).toBe(number);

describe('a service that is kept', () => {
  test('begins again when its identity is refused, once it has ended, as often as that happens', async () => {
    await keepService(hostOf(), start);
    refuse(1);
    await begun(2);
    refuse(2);
    await begun(3);
    expect(happened).toEqual(['begins 1', 'has ended 1', 'begins 2', 'has ended 2', 'begins 3']);
    await scope.disposeAsync();
    expect(happened.at(-1)).toBe('has ended 3');
  });

  test('begins again also when the identity was refused before anybody looked', async () => {
    await keepService(hostOf(), async (host) => {
      const started = await start(host);
      if (identities.length === 1) refuse(1);
      return started;
    });
    await begun(2);
    expect(happened).toEqual(['begins 1', 'has ended 1', 'begins 2']);
  });

  test('ends with the reason, and is not begun again, when its identity was taken from it', async () => {
    const { ended } = await keepService(hostOf(), start);
    refuse(1, IdentityEnded('this agent was revoked'));
    await expect(ended).rejects.toThrow('this agent was revoked');
    expect(identities).toHaveLength(1);
  });

  test('ends when it cannot begin again', async () => {
    const { ended } = await keepService(hostOf(), start);
    for (const number of [1, 2]) {
      refuse(number);
      await begun(number + 1);
    }
    refuse(3);
    await expect(ended).rejects.toThrow('the control plane refuses it');
    expect(happened.at(-1)).toBe('has ended 3');
  });

  test('that is stopped is closed once, without an error', async () => {
    const { ended } = await keepService(hostOf(), start);
    const errors: unknown[] = [];
    ended.catch((error: unknown) => errors.push(error));
    stop.abort('SIGTERM');
    await scope.disposeAsync();
    expect(happened).toEqual(['begins 1', 'has ended 1']);
    expect(errors).toEqual([]);
  });
});
