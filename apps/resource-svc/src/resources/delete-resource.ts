import { allowIf, route } from '@postern/http';
import { Type } from 'typebox';
import type { ServiceDeps } from '../service-deps.ts';
import { callerOf, requireRule } from '../rules/caller.ts';
import { refuseHeldRole } from '../rules/references.ts';
import { refNamed } from './find-target.ts';
import { NamedParams, revisionIn } from './operation.ts';
import { kindOf } from './resource-name.ts';
import { findResource } from './resource-table.ts';
import { runCommand } from './run-command.ts';

export const deleteResource = route<ServiceDeps>()({
  method: 'DELETE',
  url: '/v1/resources/:kind/:name',
  allow: allowIf<ServiceDeps>('rule `delete` on the kind', async ({ deps, principal, params }) => {
    const kind = kindOf(params['kind'] as string);
    requireRule(await callerOf(deps.lookup, principal), kind.kind, ['delete']);
    return true;
  }),
  params: NamedParams,
  reply: Type.Undefined(),
  status: 204,
  async handle({ resources, lookup }, { params, principal, request }) {
    const kind = kindOf(params.kind);
    const ref = await refNamed(lookup, kind, params.name);
    const row = await findResource(lookup.db, ref, lookup.clock());
    const name = row?.doc.metadata.name ?? (kind.secretName ? 'of that name' : params.name);
    const ifMatch = revisionIn(request.headers);
    await runCommand(resources, {
      command: {
        type: 'DeleteResource',
        ref,
        reason: 'removed',
        name,
        ...(ifMatch === undefined ? {} : { ifMatch }),
        now: resources.clock(),
      },
      principal,
      commandId: request.commandId,
      check: async (trx) => {
        if (ref.kind === 'role') await refuseHeldRole(trx, ref.id);
      },
    });
    return undefined;
  },
});
