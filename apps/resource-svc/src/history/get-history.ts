import { ChangesReply, ResourceHistoryQuery } from '@postern/contracts';
import { allowIf, route } from '@postern/http';
import { type Principal, spiffeId } from '@postern/identity';
import { NamedParams } from '../resources/operation.ts';
import { kindOf } from '../resources/resource-name.ts';
import { requireRead } from '../rules/read-rules.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { NeverExisted } from './moment.ts';
import { limitOf, timeOf } from './query.ts';
import { recordedRef, wordsFor } from './recorded-ref.ts';
import { newestSteps } from './recorded.ts';
import { changesOf } from './resource-change.ts';

export const getHistory = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/history/resources/:kind/:name',
  allow: allowIf<ServiceDeps>(
    'rule `readnosecrets` or `read` on the kind',
    async ({ deps, principal, params }) => {
      await requireRead(deps.lookup, { principal, kind: params['kind'] as string, withSecrets: false });
      return true;
    },
  ),
  params: NamedParams,
  query: ResourceHistoryQuery,
  reply: ChangesReply,
  async handle({ lookup, resources: { store } }, { params, query, principal }) {
    const kind = kindOf(params.kind);
    const ref = await recordedRef(lookup, kind, params.name);
    const limit = limitOf(query.limit);
    const { before, since, user } = query;
    const steps = await newestSteps(store.db, ref, {
      limit: limit + 1,
      before: before === undefined ? undefined : Number(before),
      since: since === undefined ? undefined : timeOf('since', since),
      actors: user === undefined ? undefined : actorsOf(user, principal),
    });
    if (steps.length === 0 && (await newestSteps(store.db, ref, { limit: 1 })).length === 0)
      throw NeverExisted(wordsFor(kind, params.name));
    const shown = steps.slice(0, limit);
    const events = await store.find(shown.map(({ eventId }) => eventId));
    const changes = await changesOf(store, events);
    return {
      changes: changes.toSorted((a, b) => b.version - a.version),
      next: steps.length > limit ? String(shown.at(-1)!.version) : '',
    };
  },
});

/** The principals that act with the rights of a user: the user, or the bot that the user is for. */
function actorsOf(user: string, { clusterName }: Pick<Principal, 'clusterName'>): string[] {
  const bot = /^bot-(.+)$/.exec(user)?.[1];
  return [
    spiffeId({ type: 'user', id: user, clusterName }),
    ...(bot === undefined ? [] : [spiffeId({ type: 'bot', id: bot, clusterName })]),
  ];
}
