import { type BusMessage, claimViews, ForeignEntry, readViewPage } from '@postern/bus';
import {
  anyAgent,
  type OpenViewReply,
  selectorHash,
  type SnapshotPage,
  SnapshotRequest,
  type ViewProof,
} from '@postern/contracts';
import { messageOf, toAppError } from '@postern/core';
import { StoreUnavailable } from '@postern/event-store';
import { verifyViewProof } from '@postern/identity';
import { Compile } from 'typebox/compile';
import { joinPatienceMs, rememberProved, requireEntitled, ViewForbidden } from './entitlement.ts';
import { openViewFor, readOpenRequest } from './open-view.ts';
import { giveViewKeys } from './serve-view-keys.ts';
import { agentOf, type ServeViewsDeps } from './view-request.ts';
import { findView, renewLease } from './view-table.ts';

const queue = 'resource-svc';
const maxReaders = 100_000;
const snapshotRequest = Compile(SnapshotRequest);

/** Answers agents that open and read views. Every replica does; each request goes to one of them. */
export function serveViews(deps: ServeViewsDeps): Disposable {
  const readable = new Map<string, number>();
  const subscriptions = [
    deps.bus.subscribe(anyAgent.openView, { queue }, async (message) =>
      message.respond(await open(deps, message)),
    ),
    deps.bus.subscribe(anyAgent.snapshot, { queue }, async (message) =>
      message.respond(await snapshot(deps, readable, message)),
    ),
    deps.bus.subscribe(anyAgent.viewKey, { queue }, async (message) =>
      message.respond(await giveViewKeys(deps, message)),
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
    const { selector, proof } = readOpenRequest(message.json());
    if (proof) await takeProof(deps, { agentId, proof, hash: selectorHash(selector) });
    await requireEntitled(deps.store.db, { agentId, selector, patienceMs: joinPatienceMs });
    return { ok: true, hash: await openViewFor(deps, agentId, selector) };
  } catch (error) {
    const { code, message: text } = toAppError(error);
    deps.telemetry.log.warn('a view was not opened', { agent: agentId, code, error: text });
    return { ok: false, code, message: text };
  }
}

interface Shown {
  readonly agentId: string;
  readonly hash: string;
  readonly proof: ViewProof;
}

/** Remembers who asks. A proof that proves nothing is no reason to refuse who is known anyway. */
async function takeProof(
  { store, identity, clock, telemetry }: ServeViewsDeps,
  { agentId, hash, proof }: Shown,
): Promise<void> {
  const at = clock();
  try {
    const { principal } = await verifyViewProof(proof, { agentId, hash, trust: identity.trust(), at });
    await rememberProved(store.db, { agentId, roles: principal.roles, at });
  } catch (error) {
    telemetry.log.warn('an agent did not prove who it is', { agent: agentId, error: messageOf(error) });
  }
}

async function snapshot(
  deps: ServeViewsDeps,
  readable: Map<string, number>,
  message: BusMessage,
): Promise<SnapshotPage> {
  const request = message.json();
  if (!snapshotRequest.Check(request)) return unknownView;
  const { hash, after } = request;
  const agentId = agentOf(message);
  const reader = `${hash} ${agentId}`;
  let isRemembered = false;
  const generation = await readableIn(deps, hash, agentId).catch((error: unknown) => {
    // Without Postgres nothing changes either: what this agent could read a moment ago it still can.
    if (StoreUnavailable.is(error)) {
      isRemembered = true;
      return readable.get(reader);
    }
    throw error;
  });
  if (generation === undefined) {
    readable.delete(reader);
    return unknownView;
  }
  if (readable.size >= maxReaders) readable.clear();
  readable.set(reader, generation);
  const page = await readViewPage(deps.bus, { hash, generation }, after).catch(async (error: unknown) => {
    // The claim makes whoever keeps the views begin again, and compare them all.
    if (ForeignEntry.is(error)) await claimViews(deps.bus);
    throw error;
  });
  // Another replica may have moved the view: what was purged there is no reason to show nothing.
  const isGone = isRemembered && after === '' && page.entries.length === 0;
  return isGone ? unknownView : page;
}

/**
 * The generation in which the agent may read a view. A view that is being compared may lack entries, and a reader would take them for removed: opening it again waits. A hash
 * is no secret, so a view that the agent could not open is not there for it.
 */
async function readableIn(
  { store, clock }: ServeViewsDeps,
  hash: string,
  agentId: string,
): Promise<number | undefined> {
  const view = await findView(store.db, hash);
  if (view?.isFilled !== true) return undefined;
  try {
    await requireEntitled(store.db, { agentId, selector: view.selector });
  } catch (error) {
    if (ViewForbidden.is(error)) return undefined;
    throw error;
  }
  return (await renewLease(store.db, { hash, agentId, now: clock() })) ? view.generation : undefined;
}

const unknownView: SnapshotPage = { ok: false, code: 'unknown_view', entries: [], next: '' };
