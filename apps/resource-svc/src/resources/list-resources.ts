import { allowIf, route } from '@postern/http';
import { Type } from 'typebox';
import { withScans } from '../discovery/config-status.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { callerOf, requireRule } from '../rules/caller.ts';
import { requireRead } from '../rules/read-rules.ts';
import { DocumentBody, KindParams, ReadQuery } from './operation.ts';
import { kindOf } from './resource-name.ts';
import { documentOf, listResources, type ResourceRow } from './resource-table.ts';
import { joinSecrets, openSecrets } from './secrets.ts';

export const listResourcesOfKind = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/resources/:kind',
  allow: allowIf<ServiceDeps>(
    'rules `list` and (`readnosecrets` or `read`) on the kind; with secrets `read`, and for kube_cluster also `use`',
    async ({ deps, principal, params, query }) => {
      const kind = kindOf(params['kind'] as string);
      requireRule(await callerOf(deps.lookup, principal), kind.kind, ['list']);
      await requireRead(deps.lookup, {
        principal,
        kind: kind.kind,
        withSecrets: query['withSecrets'] === 'true',
      });
      return true;
    },
  ),
  params: KindParams,
  query: ReadQuery,
  reply: Type.Object({ resources: Type.Array(DocumentBody) }),
  async handle(deps, { params, query }) {
    const { lookup } = deps;
    const rows = await listResources(lookup.db, kindOf(params.kind).kind, lookup.clock());
    if (query.withSecrets !== 'true')
      return { resources: await Promise.all(rows.map((row) => withScans(lookup.db, documentOf(row)))) };
    return { resources: await Promise.all(rows.map((row) => withSecrets(deps, row))) };
  },
});

async function withSecrets({ lookup, resources }: ServiceDeps, row: ResourceRow) {
  const secrets = await openSecrets({ db: lookup.db, sealer: resources.sealer }, row, row.secrets);
  return joinSecrets(documentOf(row), secrets);
}
