import { MomentQuery } from '@postern/contracts';
import { allowIf, InvalidRequest, route } from '@postern/http';
import { DocumentBody, NamedParams } from '../resources/operation.ts';
import { kindOf } from '../resources/resource-name.ts';
import { documentOf } from '../resources/resource-table.ts';
import { requireRead } from '../rules/read-rules.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { type Moment, resourceAt } from './moment.ts';
import { timeOf } from './query.ts';
import { recordedRef, wordsFor } from './recorded-ref.ts';

export const getPast = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/history/resources/:kind/:name/at',
  allow: allowIf<ServiceDeps>(
    'rule `readnosecrets` or `read` on the kind',
    async ({ deps, principal, params }) => {
      await requireRead(deps.lookup, { principal, kind: params['kind'] as string, withSecrets: false });
      return true;
    },
  ),
  params: NamedParams,
  query: MomentQuery,
  reply: DocumentBody,
  async handle({ lookup, resources: { store, clock } }, { params, query }) {
    const kind = kindOf(params.kind);
    const ref = await recordedRef(lookup, kind, params.name);
    const at = momentOf(query, clock());
    const { version, resource } = await resourceAt(store, { ref, what: wordsFor(kind, params.name), at });
    return documentOf({ ...ref, version, doc: resource });
  },
});

function momentOf({ time, revision }: MomentQuery, now: Date): Moment['at'] {
  if ((time === undefined) === (revision === undefined))
    throw InvalidRequest('name the moment by time or by revision');
  if (revision !== undefined) return { revision };
  const at = timeOf('time', time!);
  if (at > now) throw InvalidRequest('time is in the future: nobody knows yet');
  return { time: at };
}
