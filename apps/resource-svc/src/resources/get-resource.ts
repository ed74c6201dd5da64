import { allowIf, route } from '@postern/http';
import type { ServiceDeps } from '../service-deps.ts';
import { withScans } from '../discovery/config-status.ts';
import { requireRead } from '../rules/read-rules.ts';
import { refNamed } from './find-target.ts';
import { DocumentBody, NamedParams, ReadQuery } from './operation.ts';
import { kindOf } from './resource-name.ts';
import { documentOf, findResource } from './resource-table.ts';
import { NotFound } from './resource.ts';
import { joinSecrets, openSecrets } from './secrets.ts';

export const getResource = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/resources/:kind/:name',
  allow: allowIf<ServiceDeps>(
    'rule `readnosecrets` or `read` on the kind; with secrets `read`, and for kube_cluster also `use`',
    async ({ deps, principal, params, query }) => {
      await requireRead(deps.lookup, {
        principal,
        kind: params['kind'] as string,
        withSecrets: query['withSecrets'] === 'true',
      });
      return true;
    },
  ),
  params: NamedParams,
  query: ReadQuery,
  reply: DocumentBody,
  async handle({ lookup, resources }, { params, query }) {
    const kind = kindOf(params.kind);
    const row = await findResource(lookup.db, await refNamed(lookup, kind, params.name), lookup.clock());
    if (!row) throw NotFound(kind.kind, kind.secretName ? 'of that name' : params.name);
    const document = await withScans(lookup.db, documentOf(row));
    if (query.withSecrets !== 'true') return document;
    return joinSecrets(
      document,
      await openSecrets({ db: lookup.db, sealer: resources.sealer }, row, row.secrets),
    );
  },
});
