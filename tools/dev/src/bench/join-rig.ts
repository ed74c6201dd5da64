import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createUserKey } from '@postern/bus';
import { ResourceUpserted } from '@postern/contracts';
import { Secret, sha256Hex, systemClock, uuidv7 } from '@postern/core';
import type { AppendItem } from '@postern/event-store';
import { generateKeyPair, makeCsr } from '@postern/identity';
import { openResourceStore } from '@postern/resource-svc';
import { startTelemetry } from '@postern/telemetry';
import { Agent, request } from 'undici';
import type { JoinProcessPlan } from './join-process.ts';
import { type Servers, startServers } from './servers.ts';

/** A token whose name is the secret. */
export const token = 'a-token-of-the-bench-0123456789ab';

/** A token of the method `iam`, and the account that it admits. */
export const iamToken = { name: 'iam-of-the-bench', account: '333333333333' };

/** A join-svc in a process of its own. */
export interface JoinRig {
  readonly url: string;
  readonly ca: string;
  readonly pid: number;
}

/** Starts a join-svc that knows both tokens, and what it needs. */
export async function startJoinSvc(
  folder: string,
  scope: AsyncDisposableStack,
  { stsEndpoint }: Pick<JoinProcessPlan, 'stsEndpoint'> = {},
): Promise<JoinRig> {
  const servers = await startServers(folder, scope);
  const { postgresUrl, natsUrl } = servers;
  await plantIamToken(postgresUrl);
  const dataDir = join(folder, 'join-svc');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const plan: JoinProcessPlan = { postgresUrl, natsUrl, dataDir, token, stsEndpoint };
  const start = processesIn(folder, scope);
  // Without it nobody knows which tokens there are.
  await toldBy(start('resource-process.ts', servers satisfies Servers));
  const child = start('join-process.ts', plan);
  return { ...((await toldBy(child)) as Pick<JoinRig, 'url' | 'ca'>), pid: child.pid! };
}

/** Starts programs of this folder that are told a plan. They end with the scope and log into one file. */
export function processesIn(
  folder: string,
  scope: AsyncDisposableStack,
): (file: string, plan: object) => ChildProcess {
  const log = openSync(join(folder, 'processes.log'), 'a');
  scope.defer(() => closeSync(log));
  return (file, plan) => {
    const child = fork(join(import.meta.dirname, file), [JSON.stringify(plan)], {
      stdio: ['ignore', log, log, 'ipc'],
    });
    scope.defer(() => ended(child));
    return child;
  };
}

/** The first thing that a program says. */
export function toldBy(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a process of the bench ended with ${code}`)));
    child.once('message', resolve);
  });
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill('SIGTERM');
  });
}

/** Records the token as resource-svc does, which is not there yet. */
async function plantIamToken(postgresUrl: string): Promise<void> {
  await using telemetry = startTelemetry('bench', { level: 'warn' });
  await using store = await openResourceStore(new Secret(postgresUrl), { telemetry, clock: systemClock });
  const id = sha256Hex(iamToken.name);
  const spec = { roles: ['Kube'], join_method: 'iam', allow: [{ aws_account: iamToken.account }] };
  const resource = { kind: 'token', version: 'v2', metadata: { name: id }, spec };
  const event = ResourceUpserted({
    kind: 'token',
    id,
    created: true,
    resource,
    secrets: {},
  }) as unknown as AppendItem['event'];
  const row = { kind: 'token', id, version: 1, doc: JSON.stringify(resource), secrets: '{}' };
  await store.append([{ stream: `token/${id}`, version: 1, id: uuidv7(), event, meta: { actor: 'bench' } }], {
    also: (trx) => trx.insertInto('resource').values(row).execute(),
  });
}

/** How joiners reach it: by a TLS connection for each join, none of them resumed, or by some that they keep. */
export function joinersOf({ ca }: JoinRig, connections: number, localAddress = '127.0.0.1'): Agent {
  return new Agent({ connections, maxCachedSessions: 0, localAddress, connect: { ca } });
}

/** Where and how a request is posted. */
export interface Posting {
  readonly url: string;
  readonly dispatcher: Agent;
  /** Whether its connection is closed behind it. */
  readonly reset?: boolean;
}

/** Posts JSON and answers what came back; whatever is not answered 200 is an error. */
export async function post({ url, dispatcher, reset = false }: Posting, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const reply = await request(url, { dispatcher, method: 'POST', headers, body, reset });
  const text = await reply.body.text();
  if (reply.statusCode !== 200) throw new Error(`a join was answered ${reply.statusCode}: ${text}`);
  return text;
}

/** A request to join. */
export interface JoinBody {
  readonly method: string;
  readonly token: string;
  readonly joinId: string;
  readonly csr: string;
}

/** What a new agent posts to join, and the public key in it. */
export async function newJoiner(
  name: string,
  method = 'token',
): Promise<{ body: JoinBody; publicKey: string }> {
  const { privateKey, publicKey } = await generateKeyPair();
  const body = {
    method,
    token: name,
    roles: ['Kube'],
    hostname: 'bench',
    joinId: uuidv7(),
    busKey: createUserKey().publicKey,
    csr: await makeCsr(privateKey),
  };
  return { body, publicKey };
}

/** Does something for each of some prepared things, so many at once. */
export async function each<T>(
  things: readonly T[],
  atOnce: number,
  act: (thing: T) => Promise<void>,
): Promise<void> {
  const left = [...things];
  const next = async () => {
    for (let thing = left.pop(); thing !== undefined; thing = left.pop()) await act(thing);
  };
  await Promise.all(Array.from({ length: atOnce }, next));
}
