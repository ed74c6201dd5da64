import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { subjectToken } from '@postern/contracts';
import { temporaryFolder } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { readFrames } from '../src/facts/frames.ts';
import { encodePing } from '../src/spdy/frames.ts';
import { okJson, type Responder } from './support/echo-api-server.ts';
import { at, dial, raw, startEchoRig, until } from './support/rig.ts';

type Rig = Awaited<ReturnType<typeof startEchoRig>>;

const pods = '/api/v1/namespaces/dev/pods';

function factsOf(rig: Rig, type: string): Record<string, unknown>[] {
  return rig.bus.facts.filter((fact) => fact.type === type).map(({ data }) => data);
}

function request(method: string, path: string, body = '', headers = ''): string {
  const length = body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`;
  return `${method} ${at('c1', path)} HTTP/1.1\r\nHost: edge\r\nConnection: close\r\n${length}${headers}\r\n${body}`;
}

/** Ids of the requests whose records are promised or told in the journal. */
function idsOnDisk(dataDir: string): string[] {
  const folder = join(dataDir, 'facts', subjectToken('edge-1'));
  const frames = readdirSync(folder).flatMap((name) => readFrames(readFileSync(join(folder, name))).frames);
  return frames
    .map(({ type, text }) => ({ type, fact: JSON.parse(text) as { id: string; type: string } }))
    .filter(({ fact }) => fact.type === 'KubeRequestAudited')
    .map(({ type, fact }) => `${type} ${fact.id}`);
}

const auditId = (headers: readonly (readonly [string, string])[]) =>
  headers.find(([name]) => name === 'audit-id')?.[1] ?? '';

describe('the record', () => {
  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'GET'])(
    'of a %s is on disk before the API server hears of it, unless it changes nothing (R-02)',
    async (method) => {
      const dataDir = temporaryFolder();
      await using rig = await startEchoRig({ facts: { dataDir } });
      let onDisk: string[] = [];
      rig.echo.respond = (seen, socket) => {
        onDisk = idsOnDisk(dataDir);
        okJson({ kind: 'Pod' })(seen, socket);
      };
      const path = method === 'POST' ? pods : `${pods}/web`;
      const body = method === 'GET' || method === 'DELETE' ? '' : '{"metadata":{"name":"web"}}';
      await raw(rig, rig.alice, request(method, path, body));
      await until(() => factsOf(rig, 'KubeRequestAudited').length === 1, 'it is recorded');
      const id = auditId(rig.echo.seen[0]!.headers);
      expect(onDisk).toEqual(method === 'GET' ? [] : [`promise ${id}`]);
      expect(factsOf(rig, 'KubeRequestAudited')[0]).toMatchObject({
        requestId: id,
        auditId: id,
        outcome: 'known',
        status: 200,
        isStream: false,
        bytesIn: body.length,
        bytesOut: '{"kind":"Pod"}'.length,
      });
    },
  );

  test('of a request that cannot be recorded is a refusal, and nothing is sent; it passes when the bus is back (R-06)', async () => {
    await using rig = await startEchoRig({ facts: { maxBytes: 4000, segmentBytes: 1000 } });
    rig.bus.isAway = true;
    const statuses: string[] = [];
    for (let count = 0; count < 20 && !statuses.at(-1)?.startsWith('503'); count += 1)
      statuses.push((await raw(rig, rig.alice, request('GET', `${pods}/web`))).slice(9));
    expect(statuses.at(-1)).toContain('"message":"requests cannot be recorded at the moment');
    expect(rig.echo.seen).toHaveLength(statuses.length - 1);
    expect((await raw(rig, rig.alice, request('GET', '/version'))).slice(9, 12)).toBe('200');
    rig.bus.isAway = false;
    await until(
      () => factsOf(rig, 'KubeRequestAudited').length === statuses.length - 1,
      'the bus has all',
      20_000,
    );
    expect((await raw(rig, rig.alice, request('GET', `${pods}/web`))).slice(9, 12)).toBe('200');
  });

  test('has what the client calls itself, bounded and printable, and no address that it claims (H-13, Q-07, R-05)', async () => {
    await using rig = await startEchoRig();
    const headers = `User-Agent: evil\x9b31m\xe2\x80\xae${'x'.repeat(900)}\r\nX-Forwarded-For: 8.8.8.8\r\nForwarded: for=8.8.8.8\r\nX-Real-IP: 8.8.8.8\r\nAudit-ID: mine\r\n`;
    await raw(rig, rig.alice, request('GET', `${pods}/web`, '', headers));
    await until(() => factsOf(rig, 'KubeRequestAudited').length === 1, 'it is recorded');
    const [{ userAgent, ...rest }] = factsOf(rig, 'KubeRequestAudited') as [Record<string, unknown>];
    expect(userAgent).toMatch(/^evil\\x9b31m\\xe2\\x80\\xaex{100,190}$/);
    expect(rest).toMatchObject({ sourceIp: '127.0.0.1', user: 'alice' });
    expect(JSON.stringify(rest)).not.toMatch(/8\.8\.8\.8|mine/);
  });
});

const watched: Responder = (_, socket) => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n');
  socket.write('14\r\n{"type":"BOOKMARK"}\n\r\n');
};

const switched: Responder = (_, socket) => {
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: SPDY/3.1\r\nx-stream-protocol-version: v4.channel.k8s.io\r\n\r\n',
  );
  socket.on('data', (chunk) => socket.write(chunk));
};

async function openStream(rig: Rig, text: string) {
  const socket = await dial(rig, rig.alice);
  socket.on('error', () => undefined);
  let got = '';
  socket.on('data', (chunk) => (got += chunk.toString('latin1')));
  socket.write(text);
  await until(() => factsOf(rig, 'KubeRequestAudited').length === 1, 'its beginning is recorded');
  return { socket, got: () => got };
}

describe.each(['together', 'split'] as const)('a stream, edge and agent %s,', (shape) => {
  test.each(['client', 'upstream', 'cut'] as const)(
    'is recorded when it begins and when it ends by the %s, with what passed',
    async (endedBy) => {
      await using rig = await startEchoRig({ shape });
      rig.echo.respond = watched;
      const { socket, got } = await openStream(rig, request('GET', `${pods}?watch=true`));
      expect(factsOf(rig, 'KubeRequestAudited')[0]).toMatchObject({
        isStream: true,
        status: 200,
        verb: 'watch',
      });
      await until(() => got().includes('BOOKMARK'), 'an event came');
      expect(factsOf(rig, 'KubeStreamEnded')).toEqual([]);
      if (endedBy === 'client') socket.destroy();
      if (endedBy === 'upstream') for (const each of rig.echo.sockets) each.write('0\r\n\r\n');
      if (endedBy === 'cut') rig.user('alice', []);
      await until(() => factsOf(rig, 'KubeStreamEnded').length === 1, 'its end is recorded');
      expect(factsOf(rig, 'KubeStreamEnded')[0]).toMatchObject({
        requestId: factsOf(rig, 'KubeRequestAudited')[0]!['requestId'],
        endedBy,
        reason: endedBy === 'cut' ? 'kube.access_changed' : '',
        bytesOut: 20,
        verb: 'watch',
        resource: 'pods',
        namespace: 'dev',
      });
      socket.destroy();
    },
  );

  test('of somebody in a container is a session, with command and bytes both ways', async () => {
    await using rig = await startEchoRig({ shape });
    rig.echo.respond = switched;
    const path = `${pods}/web/exec?container=app&command=sh&command=-c&command=id&stdin=true&tty=true`;
    const upgrade = request('POST', path).replace(
      'Connection: close',
      'Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io',
    );
    const { socket, got } = await openStream(rig, upgrade);
    await until(() => got().includes('101'), 'it switched');
    const ping = encodePing(1);
    socket.write(ping);
    await until(() => got().includes(ping.toString('latin1')), 'what was sent came back');
    socket.destroy();
    await until(() => factsOf(rig, 'KubeSessionEnded').length === 1, 'its end is recorded');
    const sessionId = factsOf(rig, 'KubeRequestAudited')[0]!['requestId'];
    const place = { cluster: 'c1', namespace: 'dev', pod: 'web', container: 'app', user: 'alice' };
    expect(factsOf(rig, 'KubeSessionStarted')).toMatchObject([
      {
        sessionId,
        ...place,
        type: 'exec',
        command: ['sh', '-c', 'id'],
        isTty: true,
        hasStdin: true,
        isRecorded: true,
      },
    ]);
    expect(factsOf(rig, 'KubeSessionEnded')).toMatchObject([
      { sessionId, ...place, bytesIn: 12, bytesOut: 12 },
    ]);
    expect(factsOf(rig, 'KubeStreamEnded')).toEqual([]);
  });
});
