import { systemClock } from '@postern/core';
import { createAuthority } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { describe, expect, test } from 'vitest';
import { issueOwnIdentity, keepFresh } from './own-identity.ts';

describe('what has a life', () => {
  test('is renewed at two thirds of it, until told to stop', async () => {
    const stop = new AbortController();
    let renewals = 0;
    const started = performance.now();
    const renew = async () => {
      renewals += 1;
      if (renewals === 3) stop.abort();
    };
    const telemetry = silentTelemetry();
    await keepFresh('it', { telemetry, signal: stop.signal, lifeMs: 30 }, renew);
    expect(renewals).toBe(3);
    expect(performance.now() - started).toBeGreaterThanOrEqual(55);
  });
});

describe('the identity of join-svc', () => {
  test('is a service of the control plane, and grows by a generation with each renewal', async () => {
    const authority = (use: 'host' | 'user') =>
      createAuthority({ use, clusterName: 'postern', clock: systemClock });
    const authorities = { host: await authority('host'), user: await authority('user') };
    const certifier = {
      authorities,
      clock: systemClock,
      publicAddrs: ['[2001:db8::1]:3443', 'join.example.com:3443'],
    };
    const { held, renew } = await issueOwnIdentity(certifier, { id: 'join-svc-1', lifeMs: 3_600_000 });
    const first = held.current().principal;
    expect(first).toMatchObject({ type: 'svc', id: 'join-svc-1', roles: ['Auth'], generation: 1 });
    await renew();
    expect(held.current().principal).toMatchObject({ generation: 2 });
  });
});
