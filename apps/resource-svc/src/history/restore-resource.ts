import { mayRule } from '@postern/access';
import { type Kind, RestoreReply, RestoreRequest } from '@postern/contracts';
import { failure } from '@postern/core';
import { eventIdOf } from '@postern/event-store';
import { allowIf, type RequestInfo, route } from '@postern/http';
import type { Principal } from '@postern/identity';
import { findResource, type ResourceRow } from '../resources/resource-table.ts';
import { NamedParams } from '../resources/operation.ts';
import { kindOf, type ResourceRef, revisionOf, streamOf } from '../resources/resource-name.ts';
import { RevisionConflict } from '../resources/resource.ts';
import { blankAt, namePath } from '../resources/secrets.ts';
import { writeResource } from '../resources/write-resource.ts';
import { callerOf, requireRule } from '../rules/caller.ts';
import { requireRead } from '../rules/read-rules.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { fieldChanges, type RecordedContent } from './field-changes.ts';
import { type PastResource, resourceAt } from './moment.ts';
import { recordedRef, wordsFor } from './recorded-ref.ts';
import { eventsAt, placeKey } from './recorded.ts';
import { contentOf } from './resource-change.ts';

const SecretDestroyed = failure(
  'failed_precondition',
  'resource.secret_destroyed',
  (what: string, path: string, revision: string) =>
    `${path} of ${what} was destroyed when it was replaced or deleted and cannot come back: ` +
    `write the resource anew, from what it was at revision ${revision}, and pass ${path} again`,
);

export const restoreResource = route<ServiceDeps>()({
  method: 'POST',
  url: '/v1/history/resources/:kind/:name/restore',
  allow: allowIf<ServiceDeps>(
    'rule `readnosecrets` or `read` on the kind, and `update`, or `create` where it is gone',
    async ({ deps: { lookup }, principal, params }) => {
      const { kind } = kindOf(params['kind'] as string);
      await requireRead(lookup, { principal, kind, withSecrets: false });
      // Which of the two it takes is known when the resource is read, after a repeated command was recognised.
      const caller = await callerOf(lookup, principal);
      if (!mayRule(caller.roles, kind, 'create')) requireRule(caller, kind, ['update']);
      return true;
    },
  ),
  params: NamedParams,
  body: RestoreRequest,
  reply: RestoreReply,
  async handle(deps, { params, body, principal, request }) {
    const kind = kindOf(params.kind);
    const ref = await recordedRef(deps.lookup, kind, params.name);
    const what = wordsFor(kind, params.name);
    const done = await doneBefore(deps, ref, request);
    if (done) return done;
    const current = await findResource(deps.lookup.db, ref, deps.lookup.clock());
    await requireWrite(deps, principal, ref, current);
    const over = current ? revisionOf(ref, current.version) : '';
    if (body.over !== undefined && body.over !== over) throw RevisionConflict(ref.kind, params.name);
    const past = await resourceAt(deps.resources.store, { ref, what, at: { revision: body.to } });
    const written = await writeResource(deps.resources, {
      mode: current ? 'put' : 'create',
      kind: kind.kind,
      ref,
      body: documentBack({ kind, past, current, what }),
      ...(current ? { ifMatch: over } : {}),
      principal,
      commandId: request.commandId,
      restores: past.event.id,
      dryRun: body.dryRun === true,
    });
    const { row, changed } = written;
    return {
      over,
      fields: fieldChanges(current && contentIn(current), contentIn(row)),
      keptSecrets: keptSecrets(past, row),
      resource: row.doc,
      revision: body.dryRun === true ? over : revisionOf(ref, row.version),
      isRestored: changed && body.dryRun !== true,
    };
  },
});

/** What is there is changed; what is gone is made again. */
async function requireWrite(
  { lookup }: ServiceDeps,
  principal: Principal,
  ref: ResourceRef,
  current: ResourceRow | undefined,
): Promise<void> {
  requireRule(await callerOf(lookup, principal), ref.kind, [current ? 'update' : 'create']);
}

interface WayBack {
  readonly kind: Kind;
  readonly past: PastResource;
  readonly current: ResourceRow | undefined;
  readonly what: string;
}

/** The document as it was. Secrets that are there stay; one that was not there then is taken away; none comes back. */
function documentBack({ kind, past, current, what }: WayBack) {
  const present = current?.secrets ?? {};
  const lost = Object.keys(past.secrets).find((path) => !Object.hasOwn(present, path));
  if (lost !== undefined)
    throw SecretDestroyed(what, lost === namePath ? 'the name' : lost, revisionAt(kind, past));
  const added = Object.keys(present).filter(
    (path) => !Object.hasOwn(past.secrets, path) && path !== namePath,
  );
  return added.reduce(blankAt, past.resource);
}

function revisionAt({ kind }: Kind, { event, version }: PastResource): string {
  return revisionOf({ kind, id: event.stream.slice(kind.length + 1) }, version);
}

function keptSecrets(
  past: Pick<RecordedContent, 'secrets'>,
  now: Pick<RecordedContent, 'secrets'>,
): string[] {
  return Object.keys(past.secrets).filter(
    (path) => path !== namePath && past.secrets[path] !== now.secrets[path],
  );
}

function contentIn({ doc, secrets }: ResourceRow): RecordedContent {
  return { resource: doc, secrets };
}

/** The answer again for a command that is repeated: what it did stands in the events. */
async function doneBefore(
  { resources: { store } }: ServiceDeps,
  ref: ResourceRef,
  { commandId }: RequestInfo,
) {
  const ids = [0, 1].map((index) => eventIdOf(commandId, index));
  const event = (await store.find(ids)).findLast((each) => each.stream === streamOf(ref));
  const content = event && contentOf(event);
  if (!event || !content) return undefined;
  const before = { stream: event.stream, version: event.version - 1 };
  const previous = (await eventsAt(store, [before])).get(placeKey(before));
  const [source] = await store.find([event.meta.causationId ?? event.id]);
  const replaced = previous && contentOf(previous);
  return {
    over: replaced ? revisionOf(ref, before.version) : '',
    fields: fieldChanges(replaced, content),
    keptSecrets: keptSecrets((source && contentOf(source)) ?? content, content),
    resource: content.resource,
    revision: revisionOf(ref, event.version),
    isRestored: true,
  };
}
