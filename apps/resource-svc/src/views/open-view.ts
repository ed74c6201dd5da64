import {
  canonicalSelector,
  compilePattern,
  kindNamed,
  type NewEvent,
  OpenViewRequest,
  type Selector,
  selectorHash,
  ViewClosed,
  ViewOpened,
  ViewRekeyed,
} from '@postern/contracts';
import { type Clock, delay, failure, uuidv7 } from '@postern/core';
import { type Decider, type EventStore, handle } from '@postern/event-store';
import type { Sealer } from '@postern/identity';
import { Compile } from 'typebox/compile';
import type { ResourceDb } from '../database.ts';
import {
  decideView,
  evolveView,
  initialView,
  type ViewCommand,
  type ViewEvent,
  type ViewState,
} from './view.ts';
import { addGarbage, garbageAfterMs } from './view-garbage.ts';
import { addFirstViewKey, addViewKey, makeViewKey } from './view-keys.ts';
import { deleteUnread, findView, insertView, renewLease } from './view-table.ts';

const InvalidSelector = failure(
  'invalid_argument',
  'resource.invalid_selector',
  (why: string) => `invalid selector: ${why}`,
);

const ViewNotFilled = failure(
  'unavailable',
  'resource.view_not_filled',
  () => 'the view is being filled; try again in a moment',
);

export const ViewInUse = failure(
  'failed_precondition',
  'resource.view_in_use',
  (hash: string) => `view ${hash} is being read`,
);

export const ViewGone = failure(
  'not_found',
  'resource.view_gone',
  (hash: string) => `view ${hash} was closed meanwhile`,
);

/** What opening and closing views needs. */
export interface ViewStore {
  readonly store: EventStore<ResourceDb>;
  readonly sealer: Sealer;
  readonly clock: Clock;
  /** SPIFFE id of the service, which opens and closes views for whoever reads them. */
  readonly self: string;
  /** How long a generation of a view stays on the bus after it was given up. */
  readonly garbageAfterMs?: number;
}

const decider: Decider<ViewState, ViewCommand> = {
  initial: initialView,
  decide: (command, state) => decideView(command, state) as unknown as NewEvent[],
  evolve: (state, event) => evolveView(state, event as unknown as ViewEvent),
  events: [ViewOpened, ViewClosed, ViewRekeyed],
};

const request = Compile(OpenViewRequest);
const limits = {
  kinds: 16,
  items: 64,
  keys: 32,
  values: 64,
  length: 1024,
  fillMs: 15_000,
  firstPauseMs: 10,
  lastPauseMs: 500,
} as const;

/** Reads an untrusted request for a view. */
export function readOpenRequest(untrusted: unknown): OpenViewRequest {
  if (!request.Check(untrusted)) throw InvalidSelector('it does not fit the schema');
  const { selector, proof } = untrusted;
  const unknown = selector.kinds.find((kind) => kindNamed(kind)?.kind !== kind);
  if (unknown !== undefined)
    throw InvalidSelector(`there is no kind ${JSON.stringify(unknown.slice(0, 60))}`);
  if (selector.kinds.length > limits.kinds || selector.any.length > limits.items)
    throw InvalidSelector('it is too large');
  for (const { labels } of selector.any) checkPatterns(labels);
  return { selector: canonicalSelector(selector), ...(proof ? { proof } : {}) };
}

function checkPatterns(labels: Selector['any'][number]['labels']): void {
  const patterns = Object.values(labels);
  const isLarge = patterns.length > limits.keys || patterns.some((values) => values.length > limits.values);
  if (isLarge || patterns.flat().some((text) => text.length > limits.length))
    throw InvalidSelector('it is too large');
  // Refused here and not by the matcher, which all views share.
  for (const text of patterns.flat()) compilePattern(text);
}

/** Opens a view for an agent and answers its hash when everything it selects is on the bus. */
export async function openViewFor(deps: ViewStore, agentId: string, selector: Selector): Promise<string> {
  const hash = selectorHash(selector);
  const isHeld =
    (await openOnce(deps, agentId, { hash, selector })) ||
    (await openOnce(deps, agentId, { hash, selector }));
  if (!isHeld) throw ViewNotFilled();
  await untilFilled(deps, hash);
  return hash;
}

/** False when somebody closed the view between its opening and the lease on it. */
async function openOnce(
  { store, sealer, clock, self }: ViewStore,
  agentId: string,
  { hash, selector }: HashedSelector,
): Promise<boolean> {
  const key = selector.secrets ? await makeViewKey({ db: store.db, sealer }, hash) : undefined;
  await handle(store, {
    stream: `view/${hash}`,
    decider,
    command: { type: 'OpenView', hash, selector },
    commandId: uuidv7(),
    meta: { actor: self },
    also: async (trx) => {
      await insertView(trx, { hash, selector, now: clock() });
      if (key) await addFirstViewKey(trx, key);
    },
  });
  return renewLease(store.db, { hash, agentId, now: clock() });
}

interface HashedSelector {
  readonly hash: string;
  readonly selector: Selector;
}

async function untilFilled({ store }: ViewStore, hash: string): Promise<void> {
  const end = performance.now() + limits.fillMs;
  // Mostly the next look finds it filled; when a thousand agents wait for one long comparison they look less often.
  for (
    let pauseMs: number = limits.firstPauseMs;
    !(await findView(store.db, hash))?.isFilled;
    pauseMs *= 1.5
  ) {
    if (performance.now() > end) throw ViewNotFilled();
    await delay(Math.min(pauseMs, limits.lastPauseMs));
  }
}

/** Closes a view that nobody has read since a time. */
export async function closeView(deps: ViewStore, hash: string, since: Date): Promise<void> {
  const { store, clock } = deps;
  const due = new Date(clock().getTime() + (deps.garbageAfterMs ?? garbageAfterMs));
  await handle(store, {
    stream: `view/${hash}`,
    decider,
    command: { type: 'CloseView', hash },
    commandId: uuidv7(),
    meta: { actor: deps.self },
    also: async (trx) => {
      const generation = await deleteUnread(trx, hash, since);
      if (generation === undefined) throw ViewInUse(hash);
      await addGarbage(trx, { hash, generation }, due);
    },
  });
}

/** Begins a new epoch of a view with secrets: a new key, with which its entries are sealed anew. */
export async function rekeyView(
  { store, sealer, self }: ViewStore,
  hash: string,
  left: readonly string[],
): Promise<void> {
  const key = await makeViewKey({ db: store.db, sealer }, hash);
  await handle(store, {
    stream: `view/${hash}`,
    decider,
    command: { type: 'RekeyView', hash, epoch: key.epoch, left },
    commandId: uuidv7(),
    meta: { actor: self },
    also: async (trx) => {
      const open = trx.selectFrom('view').select('hash').where('hash', '=', hash).forUpdate();
      if (!(await open.executeTakeFirst())) throw ViewGone(hash);
      await addViewKey(trx, key);
    },
  });
}
