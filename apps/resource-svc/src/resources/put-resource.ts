import { InvalidResource, isMaskedName } from '@postern/contracts';
import { isPlainObject } from '@postern/core';
import { allowIf, Answer, route } from '@postern/http';
import type { ServiceDeps } from '../service-deps.ts';
import { callerOf, requireRule } from '../rules/caller.ts';
import { refNamed } from './find-target.ts';
import { DocumentBody, NamedParams, revisionIn } from './operation.ts';
import { idOf, kindOf } from './resource-name.ts';
import { writeResource } from './write-resource.ts';

export const putResource = route<ServiceDeps>()({
  method: 'PUT',
  url: '/v1/resources/:kind/:name',
  allow: allowIf<ServiceDeps>(
    'rules `create` and `update` on the kind; `update` alone where If-Match names a revision',
    async ({ deps, principal, params, request }) => {
      const kind = kindOf(params['kind'] as string);
      const isUpdate = revisionIn(request.headers) !== undefined;
      requireRule(
        await callerOf(deps.lookup, principal),
        kind.kind,
        isUpdate ? ['update'] : ['create', 'update'],
      );
      return true;
    },
  ),
  params: NamedParams,
  body: DocumentBody,
  reply: DocumentBody,
  async handle({ resources, lookup }, { params, body, principal, request }) {
    await requireSameName(lookup, params, body);
    const written = await writeResource(resources, {
      mode: 'put',
      kind: params.kind,
      body,
      ifMatch: revisionIn(request.headers),
      principal,
      commandId: request.commandId,
    });
    return new Answer(written.document, { status: written.created ? 201 : 200 });
  },
});

/** A document goes to its own place only. */
async function requireSameName(
  lookup: ServiceDeps['lookup'],
  params: { readonly kind: string; readonly name: string },
  body: object,
): Promise<void> {
  const metadata = (body as Record<string, unknown>)['metadata'];
  const name = isPlainObject(metadata) ? metadata['name'] : undefined;
  if (name === params.name || typeof name !== 'string') return;
  const kind = kindOf(params.kind);
  const { id } = await refNamed(lookup, kind, params.name);
  if (kind.secretName && (isMaskedName(name) || id === idOf(kind, name))) return;
  throw InvalidResource('metadata.name is not the name in the URL');
}
