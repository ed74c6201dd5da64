import { once } from 'node:events';
import { silentTelemetry } from '@postern/telemetry';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { IdentityEnded } from './join-client.ts';
import { type Beginning, keepService, type KeptService } from './keep-service.ts';

const telemetry = silentTelemetry();
let stop: AbortController;
let kept: KeptService<Service> | undefined;
let happened: string[];
/** Ends of the identities of the services that were begun, in order. */
let identities: AbortController[];

beforeEach(() => {
  stop = new AbortController();
  kept = undefined;
  happened = [];
  identities = [];
});
afterEach(() => kept?.[Symbol.asyncDispose]());

interface Service {
  readonly number: number;
  readonly identity: { readonly lost: AbortSignal };
}

/** A service with an identity of its own each time; closing takes a moment. */
const begin = async ({ scope }: Beginning): Promise<Service> => {
  const lost = new AbortController();
  const number = identities.push(lost);
  if (number > 3) throw new Error('the control plane refuses it');
  happened.push(`begins ${number}`);
  scope.defer(async () => {
    await Promise.resolve();
    happened.push(`has ended ${number}`);
  });
  return { number, identity: { lost: lost.signal } };
};

const keep = async (beginIt = begin) =>
  (kept = await keepService(beginIt, { name: 'kube', telemetry, signal: stop.signal }));
const refuse = (number: number, reason: unknown = new Error('this agent is not known here')) =>
  identities[number - 1]!.abort(reason);
const begun = (number: number) => expect.poll(() => identities.length, { timeout: 5000 }).toBe(number);

describe('a service that is kept', () => {
  test('begins again when its identity is refused, once it has ended, as often as that happens', async () => {
    const { first } = await keep();
    expect(first.number).toBe(1);
    refuse(1);
    await begun(2);
    refuse(2);
    await begun(3);
    expect(happened).toEqual(['begins 1', 'has ended 1', 'begins 2', 'has ended 2', 'begins 3']);
    await kept![Symbol.asyncDispose]();
    expect(happened.at(-1)).toBe('has ended 3');
  });

  test('begins again also when the identity was refused before anybody looked', async () => {
    await keep(async (beginning) => {
      const service = await begin(beginning);
      if (identities.length === 1) refuse(1);
      return service;
    });
    await begun(2);
    expect(happened).toEqual(['begins 1', 'has ended 1', 'begins 2']);
  });

  test('ends with the reason, and is not begun again, when its identity was taken from it', async () => {
    const { ended } = await keep();
    refuse(1, IdentityEnded('this agent was revoked'));
    await expect(ended).rejects.toThrow('this agent was revoked');
    expect(identities).toHaveLength(1);
  });

  test('goes on without its identity where it is one that stays', async () => {
    kept = await keepService(begin, { name: 'resource-svc', telemetry, staysWhenTaken: true });
    refuse(1, IdentityEnded('this agent is locked'));
    await expect.poll(() => telemetry.lines.join('\n')).toContain('the identity was taken away');
    expect(happened).toEqual(['begins 1']);
    await kept[Symbol.asyncDispose]();
    expect(happened).toEqual(['begins 1', 'has ended 1']);
  });

  test('ends when it cannot begin again', async () => {
    const { ended } = await keep();
    for (const number of [1, 2]) {
      refuse(number);
      await begun(number + 1);
    }
    refuse(3);
    await expect(ended).rejects.toThrow('the control plane refuses it');
    expect(happened.at(-1)).toBe('has ended 3');
  });

  test('that is stopped is closed once, without an error', async () => {
    const { ended } = await keep();
    const errors: unknown[] = [];
    ended.catch((error: unknown) => errors.push(error));
    stop.abort('SIGTERM');
    await kept![Symbol.asyncDispose]();
    expect(happened).toEqual(['begins 1', 'has ended 1']);
    expect(errors).toEqual([]);
  });

  test('that is closed while it begins again gives that up', async () => {
    const waiting = Promise.withResolvers<void>();
    await keep(async (beginning) => {
      if (identities.length === 0) return begin(beginning);
      waiting.resolve();
      await once(beginning.signal, 'abort');
      throw beginning.signal.reason;
    });
    refuse(1);
    await waiting.promise;
    await kept![Symbol.asyncDispose]();
    expect(happened).toEqual(['begins 1', 'has ended 1']);
  });
});
