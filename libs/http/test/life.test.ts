import { silentTelemetry } from '@postern/telemetry';
import { describe, expect, test } from 'vitest';
import { diagServer, httpServer, Readiness, type Route, route } from '../src/index.ts';
import { send } from './support/client.ts';
import { makeTrust } from './support/identities.ts';

describe('the diagnostics listener', () => {
  test('tells health, readiness and metrics, and nothing else', async () => {
    const readiness = new Readiness();
    await using diag = diagServer({ telemetry: silentTelemetry(), readiness });
    const { url } = await diag.listen({ host: '127.0.0.1', port: 0 });
    const status = async (path: string, method = 'GET') => (await fetch(url + path, { method })).status;
    expect([await status('/healthz'), await status('/readyz')]).toEqual([200, 503]);
    readiness.setReady(true);
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ok' });
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('process_resident_memory_bytes');
    expect([
      await status('/'),
      await status('/debug/pprof'),
      await status('/toString'),
      await status('/metrics', 'POST'),
    ]).toEqual([404, 404, 404, 405]);
    readiness.stop();
    readiness.setReady(true);
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'stopping' });
  });
});

describe('closing a listener', () => {
  test('turns it unready, answers what has begun and accepts nothing new', async () => {
    const trust = await makeTrust();
    const identity = await trust.held('svc', 's1', ['Auth']);
    const gate = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    const routes: Route<object>[] = [
      route<object>()({
        method: 'GET',
        url: '/slow',
        allow: 'public',
        handle: async () => {
          entered.resolve();
          await gate.promise;
          return { done: true };
        },
      }),
    ];
    const server = httpServer({
      identity,
      service: 'join-svc',
      telemetry: silentTelemetry(),
      routes,
      deps: {},
    });
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    server.setReady(true);
    const sending = { path: '/slow', ca: identity.trust().hostCa };
    const slow = send(port, sending);
    await entered.promise;
    const closing = server.close();
    expect(server.readiness.state).toBe('stopping');
    await expect(send(port, sending)).rejects.toThrow('ECONNREFUSED');
    gate.resolve();
    expect((await slow).json()).toEqual({ done: true });
    await closing;
    await server.close();
  });

  test('cuts what takes longer than the bound', async () => {
    const trust = await makeTrust();
    const identity = await trust.held('svc', 's1', ['Auth']);
    const entered = Promise.withResolvers<void>();
    const routes: Route<object>[] = [
      route<object>()({
        method: 'GET',
        url: '/forever',
        allow: 'public',
        handle: () => {
          entered.resolve();
          return new Promise<never>(() => undefined);
        },
      }),
    ];
    const server = httpServer({
      identity,
      service: 'join-svc',
      telemetry: silentTelemetry(),
      routes,
      deps: {},
      limits: { drainMs: 50 },
    });
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    const cut = expect(send(port, { path: '/forever', ca: identity.trust().hostCa })).rejects.toThrow(
      'socket hang up',
    );
    await entered.promise;
    await server.close();
    await cut;
  });

  test('reports an address that is taken', async () => {
    await using one = diagServer({ telemetry: silentTelemetry(), readiness: new Readiness() });
    await using two = diagServer({ telemetry: silentTelemetry(), readiness: new Readiness() });
    const { port } = await one.listen({ host: '127.0.0.1', port: 0 });
    await expect(two.listen({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'http.cannot_listen',
    });
  });
});
