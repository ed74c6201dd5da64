import { allowIf, route } from '@postern/http';
import type { ServiceDeps } from '../service-deps.ts';
import { callerOf, requireRule } from '../rules/caller.ts';
import { DocumentBody, KindParams } from './operation.ts';
import { kindOf } from './resource-name.ts';
import { writeResource } from './write-resource.ts';

export const createResource = route<ServiceDeps>()({
  method: 'POST',
  url: '/v1/resources/:kind',
  allow: allowIf<ServiceDeps>('rule `create` on the kind', async ({ deps, principal, params }) => {
    const kind = kindOf(params['kind'] as string);
    requireRule(await callerOf(deps.lookup, principal), kind.kind, ['create']);
    return true;
  }),
  params: KindParams,
  body: DocumentBody,
  reply: DocumentBody,
  status: 201,
  async handle({ resources }, { params, body, principal, request }) {
    const { commandId } = request;
    const { document } = await writeResource(resources, {
      mode: 'create',
      kind: params.kind,
      body,
      principal,
      commandId,
    });
    return document;
  },
});
