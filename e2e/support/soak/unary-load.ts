import { setTimeout as delay } from 'node:timers/promises';
import { type Asker, askSafely } from './ask-safely.ts';
import type { Unknown } from './ledger.ts';
import type { UnaryRequest } from './unary-client.ts';

/** One worker: what it calls its objects, where they are, and how long it waits between requests. */
export interface UnaryWork extends Asker {
  readonly name: string;
  /** Path of the config maps of a namespace. */
  readonly collection: string;
  readonly everyMs: number;
  readonly signal: AbortSignal;
}

/** What is expected of an answer. */
interface Expected {
  /** Statuses that are right. */
  readonly ok: readonly number[];
  /** Statuses that are right too where an earlier attempt may have done it. */
  readonly repeated?: readonly number[];
  /** What the object says, where it is asked for. */
  readonly turn?: string;
}

/** Makes, reads, changes and removes one config map after the other, and looks at each step whether it was done. */
export async function workUnary(work: UnaryWork): Promise<void> {
  const { name, signal } = work;
  for (let count = 0; !signal.aborted; count += 1) await oneLife(work, `${name}-${count}`);
}

async function oneLife(work: UnaryWork, name: string): Promise<void> {
  const { collection } = work;
  const path = `${collection}/${name}`;
  const object = (turn: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
    data: { turn },
  });
  const made = await step(
    work,
    'create',
    { method: 'POST', path: collection, object: object('0') },
    { ok: [201] },
  );
  if (!made || (isUnknown(made) && !(await look(work, path, made)).isThere)) return;
  await step(work, 'get', { method: 'GET', path }, { ok: [200], turn: '0' });
  const update = { method: 'PUT', path, object: object('1') } as const;
  const updated = await step(work, 'update', update, { ok: [200], turn: '1' });
  if (isUnknown(updated)) updated.wasDone = (await look(work, path)).turn === '1';
  else await step(work, 'get', { method: 'GET', path }, { ok: [200], turn: '1' });
  const patch = { method: 'PATCH', path, object: { data: { turn: '2' } } } as const;
  const patched = await step(work, 'patch', patch, { ok: [200], turn: '2' });
  if (isUnknown(patched)) patched.wasDone = (await look(work, path)).turn === '2';
  else await step(work, 'get', { method: 'GET', path }, { ok: [200], turn: '2' });
  await step(work, 'list', { method: 'GET', path: `${collection}?limit=20` }, { ok: [200] });
  const removal = { method: 'DELETE', path } as const;
  const removed = await step(work, 'delete', removal, { ok: [200], repeated: [404] });
  if (!isUnknown(removed)) return;
  const { isThere } = await look(work, path);
  removed.wasDone = !isThere;
  if (isThere) await step(work, 'delete', removal, { ok: [200], repeated: [404] });
}

function isUnknown(outcome: boolean | Unknown): outcome is Unknown {
  return typeof outcome === 'object';
}

/** Whether it was done, or that nobody knows. */
async function step(
  work: UnaryWork,
  kind: string,
  request: UnaryRequest,
  { ok, repeated = [], turn }: Expected,
): Promise<boolean | Unknown> {
  await delay(work.everyMs);
  const ending = await askSafely(work, kind, request);
  if (!ending) return false;
  if ('unknown' in ending) return ending.unknown;
  const { status, text } = ending.answer;
  const name = `${kind} ${work.client.protocol}`;
  const isRight = ok.includes(status) || (ending.isRepeat && repeated.includes(status));
  if (!isRight) work.ledger.failed(name, `${status} ${text}`);
  else if (turn !== undefined && turnIn(text) !== turn)
    work.ledger.failed(name, `the object is at ${turnIn(text)} and not at ${turn}`);
  else work.ledger.of(name).done += 1;
  return isRight;
}

/** Looks what became of something that nobody knows of; of a creation it notes it too. */
async function look(
  work: UnaryWork,
  path: string,
  made?: Unknown,
): Promise<{ readonly isThere: boolean; readonly turn: string }> {
  const name = `get ${work.client.protocol}`;
  const ending = await askSafely(work, 'get', { method: 'GET', path });
  if (!ending || 'unknown' in ending) return { isThere: false, turn: '' };
  const { status, text } = ending.answer;
  const isThere = status === 200;
  if (isThere || status === 404) work.ledger.of(name).done += 1;
  else work.ledger.failed(name, `${status} ${text}`);
  if (made) made.wasDone = isThere;
  return { isThere, turn: turnIn(text) };
}

function turnIn(text: string): string {
  return /"turn":\s?"(\d+)"/.exec(text)?.[1] ?? 'nothing';
}
