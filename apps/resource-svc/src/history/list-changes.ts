import { mayRule } from '@postern/access';
import { ChangesQuery, ChangesReply, kinds } from '@postern/contracts';
import { allowIf, InvalidRequest, route } from '@postern/http';
import type { Principal } from '@postern/identity';
import { type EventPlace, untilApplied } from '@postern/projections';
import { kindOf, streamOf } from '../resources/resource-name.ts';
import { AccessDenied, callerOf, requireRule } from '../rules/caller.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { changeList } from './change-list.ts';
import { findChanges } from './find-changes.ts';
import { UnknownRevision } from './moment.ts';
import { limitOf, timeOf } from './query.ts';
import { recordedRef, wordsFor } from './recorded-ref.ts';
import { allSteps, stepAt } from './recorded.ts';
import { changesOf } from './resource-change.ts';

export const listChanges = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/history/changes',
  allow: allowIf<ServiceDeps>(
    'rules `list` and (`readnosecrets` or `read`) on the kind; without a kind, those kinds are shown for which the caller has them',
    async ({ deps, principal, query }) => {
      await readableKinds(deps, principal, query['kind'] as string | undefined);
      return true;
    },
  ),
  query: ChangesQuery,
  reply: ChangesReply,
  async handle(deps, { query, principal }) {
    const { store } = deps.resources;
    const { kind, user, since, before, including } = query;
    const readable = await readableKinds(deps, principal, kind);
    if (including !== undefined)
      await untilApplied(store, changeList, await placeNamed(deps, including, readable));
    const limit = limitOf(query.limit);
    const found = await findChanges(store.db, {
      kinds: readable,
      user,
      since: since === undefined ? undefined : timeOf('since', since),
      before,
      limit: limit + 1,
    });
    const shown = found.slice(0, limit);
    const events = await store.find(shown.map(({ eventId }) => eventId));
    const order = new Map(shown.map(({ eventId }, index) => [eventId, index]));
    const inOrder = events.toSorted((a, b) => order.get(a.id)! - order.get(b.id)!);
    return {
      changes: await changesOf(store, inOrder),
      next: found.length > limit ? shown.at(-1)!.cursor : '',
    };
  },
});

const verbs = ['list', 'readnosecrets'] as const;

/** The kinds whose changes the caller may see: the one that was asked for, or all of them. */
async function readableKinds(
  { lookup }: ServiceDeps,
  principal: Principal,
  wanted: string | undefined,
): Promise<readonly string[]> {
  const caller = await callerOf(lookup, principal);
  if (wanted !== undefined) {
    const { kind } = kindOf(wanted);
    requireRule(caller, kind, verbs);
    return [kind];
  }
  const readable = kinds
    .map(({ kind }) => kind)
    .filter((kind) => verbs.every((verb) => mayRule(caller.roles, kind, verb)));
  if (readable.length === 0)
    throw AccessDenied('access denied: none of your roles lets you list and read resources of any kind');
  return readable;
}

/** The place of a change that was named `kind/name@revision`. */
async function placeNamed(
  { lookup, resources: { store } }: ServiceDeps,
  text: string,
  readable: readonly string[],
): Promise<EventPlace> {
  const match = /^([a-z_]{1,60})\/(.{1,253})@([^@]{1,100})$/.exec(text);
  if (!match) throw InvalidRequest('including must be kind/name@revision');
  const [, word, name, revision] = match as unknown as [string, string, string, string];
  const kind = kindOf(word);
  if (!readable.includes(kind.kind))
    throw InvalidRequest('including must name a change that would be listed');
  const ref = await recordedRef(lookup, kind, name);
  const step = stepAt(ref, await allSteps(store.db, ref), revision);
  if (!step) throw UnknownRevision(wordsFor(kind, name), revision);
  return { stream: streamOf(ref), version: step.version };
}
