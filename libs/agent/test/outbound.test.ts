import { Secret, systemClock } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { type HttpProxy, startHttpProxy } from '@postern/testkit';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openIdentity, Outbound } from '../src/index.ts';
import { type ControlPlane, startControlPlane } from './control-plane.ts';

const name = 'postern.example.com';
let scope: AsyncDisposableStack;
let plane: ControlPlane;
let proxy: HttpProxy;

beforeEach(async () => {
  scope = new AsyncDisposableStack();
  plane = scope.use(await startControlPlane());
  proxy = scope.use(await startHttpProxy({ [name]: Number(new URL(plane.url).port) }));
});
afterEach(() => scope.disposeAsync());

const join = async (outbound: Outbound, host = name) =>
  scope.use(
    await openIdentity({
      joinUrls: [`https://${host}:3080`],
      trust: { caPin: plane.pin },
      outbound,
      token: 'canary-token-0123456789abcdef',
      roles: ['Kube'],
      hostname: 'h',
      telemetry: silentTelemetry(),
      clock: systemClock,
      giveUpAfterMs: 0,
    }),
  );
const by = (url: string, noProxy?: string) => new Outbound({ httpsProxy: new Secret(url), noProxy });

describe('behind an HTTP proxy', () => {
  test('a process joins and renews under a name that only the proxy can resolve', async () => {
    const identity = await join(by(proxy.url));
    await identity.renew();
    expect(identity.held.current().principal.generation).toBe(2);
    expect(new Set(proxy.asked)).toEqual(new Set([`${name}:3080`]));
  });

  test('a wrong password and a destination that is not allowed are told, without the password', async () => {
    const wrong = by(proxy.url.replace('open', 'close'));
    await expect(join(wrong)).rejects.toThrow(/opened no connection: status 407/);
    await expect(join(by(proxy.url), 'elsewhere.example.com')).rejects.toThrow(/status 403/);
    await expect(join(wrong)).rejects.not.toThrow('sesame');
    expect(plane.seen).toHaveLength(0);
  });

  test('what NO_PROXY names is reached without it', async () => {
    await expect(join(by(proxy.url, `.test,${name}`))).rejects.toMatchObject({ kind: 'unavailable' });
    expect(proxy.asked).toEqual([]);
  });

  test('a proxy of another kind is refused', () => {
    expect(() => by('socks5://user:hunter2@10.0.0.1:1080')).toThrow('HTTPS_PROXY must be like');
    expect(() => by('http://')).toThrow('HTTPS_PROXY must be like');
  });
});
