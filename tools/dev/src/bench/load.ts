import { readFileSync } from 'node:fs';
import { connect, type ClientHttp2Session } from 'node:http2';
import { Pool } from 'undici';

/** One run of load against one address; bounded by a number of requests. */
export interface LoadPlan {
  readonly protocol: 'h1' | 'h2';
  readonly origin: string;
  readonly path: string;
  readonly servername: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  readonly connections: number;
  /** Requests in flight on each connection; 1 for h1. */
  readonly perConnection: number;
  readonly requests: number;
  /** How many of the first ones are not counted among the times: the client is not compiled yet, nor connected. */
  readonly uncounted?: number;
  /** Begins so many in a second, whether or not the last one is answered; without it each client asks as fast as it is answered. */
  readonly perSecond?: number;
}

/** What a run did. */
export interface LoadResult {
  readonly ok: number;
  readonly failed: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Answer {
  readonly status: number;
  readonly bytes: number;
}

const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;
const tls = {
  cert: readFileSync(plan.certFile),
  key: readFileSync(plan.keyFile),
  ca: readFileSync(plan.caFile),
  servername: plan.servername,
};
const clients = plan.protocol === 'h1' ? h1Clients() : h2Clients();
const times: number[] = [];
const tally = { ok: 0, failed: 0, bytes: 0, begun: 0 };
const start = performance.now();
await (plan.perSecond === undefined ? asFastAsAnswered() : evenly(plan.perSecond));
console.log(JSON.stringify(result()));
process.exit(0);

async function asFastAsAnswered(): Promise<void> {
  await Promise.all(
    clients.map(async (ask) => {
      while (tally.begun < plan.requests) await send(ask);
    }),
  );
}

async function evenly(perSecond: number): Promise<void> {
  const sent: Promise<void>[] = [];
  while (tally.begun < plan.requests) {
    const due = Math.min(plan.requests, ((performance.now() - start) / 1000) * perSecond);
    while (tally.begun < due) sent.push(send(clients[tally.begun % clients.length]!));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(sent);
}

async function send(ask: () => Promise<Answer>): Promise<void> {
  tally.begun += 1;
  const isCounted = tally.begun > (plan.uncounted ?? 0);
  const began = performance.now();
  const { status, bytes } = await ask().catch(() => ({ status: 0, bytes: 0 }));
  if (isCounted) times.push(performance.now() - began);
  tally.bytes += bytes;
  if (status === 200) tally.ok += 1;
  else tally.failed += 1;
}

function result(): LoadResult {
  const sorted = Float64Array.from(times).toSorted();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const seconds = (performance.now() - start) / 1000;
  const { ok, failed, bytes } = tally;
  return { ok, failed, bytes, seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}

function h1Clients(): (() => Promise<Answer>)[] {
  const pool = new Pool(plan.origin, {
    connections: plan.connections,
    pipelining: 1,
    connect: tls,
    allowH2: false,
  });
  const request = async () => {
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path: plan.path,
      headers: { accept: 'application/json' },
    });
    let bytes = 0;
    for await (const chunk of body) bytes += (chunk as Buffer).length;
    return { status: statusCode, bytes };
  };
  return Array.from({ length: plan.connections }, () => request);
}

function h2Clients(): (() => Promise<Answer>)[] {
  const sessions = Array.from({ length: plan.connections }, h2Session);
  return sessions.flatMap((session) =>
    Array.from({ length: plan.perConnection }, () => () => h2Request(session)),
  );
}

/** As much may be under way as kubectl lets there be (golang.org/x/net/http2, transport.go). */
function h2Session(): ClientHttp2Session {
  const settings = { initialWindowSize: 4 * 1024 * 1024, enablePush: false };
  const session = connect(plan.origin, { ...tls, settings });
  return session.once('connect', () => session.setLocalWindowSize(1024 ** 3));
}

function h2Request(session: ClientHttp2Session): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': 'GET', ':path': plan.path, accept: 'application/json' });
    let bytes = 0;
    let status = 0;
    stream.on('response', (headers) => (status = headers[':status'] ?? 0));
    stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
    stream.on('end', () => resolve({ status, bytes }));
    stream.on('error', reject);
    stream.end();
  });
}
