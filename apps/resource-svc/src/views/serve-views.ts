import { type Bus, type BusMessage, readViewPage } from '@postern/bus';
import {
  anyAgent,
  fromSubjectToken,
  type OpenViewReply,
  type SnapshotPage,
  SnapshotRequest,
} from '@postern/contracts';
import { toAppError } from '@postern/core';
import { StoreUnavailable } from '@postern/event-store';
import type { Telemetry } from '@postern/telemetry';
import { Compile } from 'typebox/compile';
import { joinPatienceMs, requireEntitled, ViewForbidden } from './entitlement.ts';
import { openViewFor, readSelector, type ViewStore } from './open-view.ts';
import { findView, renewLease } from './view-table.ts';

/** What answers agents about views. */
export interface ServeViewsDeps extends ViewStore {
  readonly bus: Bus;
  readonly telemetry: Telemetry;
}

const queue = 'resource-svc';
const maxReaders = 100_000;
const snapshotRequest = Compile(SnapshotRequest);

/** Answers agents that open and read views. Every replica does; each request goes to one of them. */
export function serveViews(deps: ServeViewsDeps): Disposable {
  const readable = new Set<string>();
  const subscriptions = [
    deps.bus.subscribe(anyAgent.openView, { queue }, async (message) =>
      message.respond(await open(deps, message)),
    ),
    deps.bus.subscribe(anyAgent.snapshot, { queue }, async (message) =>
      message.respond(await snapshot(deps, readable, message)),
    ),
  ];
  return {
    [Symbol.dispose]: () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}

async function open(deps: ServeViewsDeps, message: BusMessage): Promise<OpenViewReply> {
  const agentId = agentOf(message);
  try {
    const selector = readSelector(message.json());
    const { kinds } = selector;
    await requireEntitled(deps.store.db, { agentId, kinds, patienceMs: joinPatienceMs });
    return { ok: true, hash: await openViewFor(deps, agentId, selector) };
  } catch (error) {
    const { code, message: text } = toAppError(error);
    deps.telemetry.log.warn('a view was not opened', { agent: agentId, code, error: text });
    return { ok: false, code, message: text };
  }
}

async function snapshot(
  deps: ServeViewsDeps,
  readable: Set<string>,
  message: BusMessage,
): Promise<SnapshotPage> {
  const request = message.json();
  if (!snapshotRequest.Check(request)) return unknownView;
  const { hash, after } = request;
  const agentId = agentOf(message);
  const reader = `${hash} ${agentId}`;
  const isReadable = await mayRead(deps, hash, agentId).catch((error: unknown) => {
    // Without Postgres nothing changes either: what this agent could read a moment ago it still can.
    if (StoreUnavailable.is(error) && readable.has(reader)) return true;
    throw error;
  });
  if (!isReadable) {
    readable.delete(reader);
    return unknownView;
  }
  if (readable.size >= maxReaders) readable.clear();
  readable.add(reader);
  return readViewPage(deps.bus, hash, after);
}

/**
 * A view that is being compared may lack entries, and a reader would take them for removed: opening it again waits. A hash
 * is no secret, so a view that the agent could not open is not there for it.
 */
async function mayRead({ store, clock }: ServeViewsDeps, hash: string, agentId: string): Promise<boolean> {
  const view = await findView(store.db, hash);
  if (view?.isFilled !== true) return false;
  try {
    await requireEntitled(store.db, { agentId, kinds: view.selector.kinds });
  } catch (error) {
    if (ViewForbidden.is(error)) return false;
    throw error;
  }
  return renewLease(store.db, { hash, agentId, now: clock() });
}

const unknownView: SnapshotPage = { ok: false, code: 'unknown_view', entries: [], next: '' };

/** The bus lets an agent speak under its own id only. */
function agentOf({ subject }: BusMessage): string {
  return fromSubjectToken(subject.split('.')[1]!);
}
