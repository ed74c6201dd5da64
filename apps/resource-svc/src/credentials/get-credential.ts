import { compileSelector } from '@postern/access';
import { failure } from '@postern/core';
import { allowIf, route } from '@postern/http';
import { Type } from 'typebox';
import type { ServiceDeps } from '../service-deps.ts';
import { DocumentBody } from '../resources/operation.ts';
import { documentOf, findResource, type ResourceRow } from '../resources/resource-table.ts';
import { joinSecrets, openSecrets } from '../resources/secrets.ts';
import { selectorsRead, viewLeaseMs } from '../views/view-table.ts';

/** The same for a cluster that does not exist, so that nobody learns names by asking. */
const NotEntitled = failure(
  'permission_denied',
  'resource.not_entitled',
  (name: string) => `no view that you read selects kube_cluster "${name}"`,
);

const kind = 'kube_cluster';

/** An agent gets the credentials of exactly those clusters that a view it is reading selects at this moment. */
export const getCredential = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/credentials/kube_cluster/:name',
  allow: allowIf<ServiceDeps>(
    'an agent or service with the system role Kube that reads a view which selects the cluster',
    ({ principal: { type, roles } }) => (type === 'agent' || type === 'svc') && roles.includes('Kube'),
  ),
  params: Type.Object({ name: Type.String({ minLength: 1, maxLength: 253 }) }),
  reply: DocumentBody,
  async handle({ lookup, resources, telemetry }, { params: { name }, principal }) {
    const row = await findResource(lookup.db, { kind, id: name }, lookup.clock());
    const isEntitled = row !== undefined && (await reads({ lookup }, principal.id, row));
    if (!isEntitled) {
      telemetry.log.warn('a credential was refused', { agent: principal.id, cluster: name });
      throw NotEntitled(name);
    }
    const secrets = await openSecrets({ db: lookup.db, sealer: resources.sealer }, row, row.secrets);
    telemetry.log.info('a credential was read', { agent: principal.id, cluster: name, version: row.version });
    return joinSecrets(documentOf(row), secrets);
  },
});

async function reads(
  { lookup }: Pick<ServiceDeps, 'lookup'>,
  agentId: string,
  row: ResourceRow,
): Promise<boolean> {
  const since = new Date(lookup.clock().getTime() - viewLeaseMs);
  const selectors = await selectorsRead(lookup.db, agentId, since);
  return selectors.some((selector) => selector.kinds.includes(kind) && compileSelector(selector)(row.labels));
}
