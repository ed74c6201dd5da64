import { systemClock } from '@postern/core';
import { createAuthority } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { describe, expect, test } from 'vitest';
import { rotationDecider } from '../rotation/rotation.ts';
import { type Authorities, authoritiesFrom } from './authorities.ts';
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

async function authoritiesOfTest(): Promise<Authorities> {
  const make = async (use: 'host' | 'user', pin: string) => {
    const authority = await createAuthority({ use, clusterName: 'postern', clock: systemClock });
    const { certificate } = authority;
    const row = {
      use,
      pin,
      certificate,
      cluster_name: 'postern',
      sealed_key: '',
      chain: null,
      retired_at: null,
    };
    return { row, authority };
  };
  const made = [await make('host', 'h'), await make('user', 'u')];
  const rows = made.map(({ row }) => row);
  const opened = new Map(made.map(({ row: { pin }, authority }) => [pin, authority]));
  const { initial: rotation } = rotationDecider;
  return authoritiesFrom({ rows, opened, rotation, revision: 0, clock: systemClock })!;
}

describe('the identity of join-svc', () => {
  test('is a service of the control plane, and grows by a generation with each renewal', async () => {
    const certifier = {
      authorities: await authoritiesOfTest(),
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
