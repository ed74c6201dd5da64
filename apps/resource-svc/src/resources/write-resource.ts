import {
  InvalidResource,
  isMaskedName,
  type Kind,
  type LockSpec,
  type PublicResource,
  type Resource,
  type Role,
  type TokenSpec,
  type UserSpec,
} from '@postern/contracts';
import { userNameOf } from '@postern/access';
import type { Principal } from '@postern/identity';
import { type Caller, callerOf } from '../rules/caller.ts';
import {
  refuseBotToken,
  refuseForeignGifts,
  refuseServiceToken,
  refuseWiderRole,
  type UserChange,
} from '../rules/escalation.ts';
import { refuseLockOnAuthor } from '../rules/locks.ts';
import { requireRoles } from '../rules/references.ts';
import { requireStorable } from '../rules/well-formed.ts';
import { rowShownAs } from './find-target.ts';
import { idOf, kindOf, type ResourceRef } from './resource-name.ts';
import { documentOf, findResource, findResources, type ResourceRow } from './resource-table.ts';
import { isExpired } from './resource.ts';
import { emptiedPaths, namePath, sameSecrets, sealSecrets, splitSecrets } from './secrets.ts';
import { previewCommand, type ResourceRun, type ResourceStore, runCommand } from './run-command.ts';

/** A document to be written, and how. */
export interface WriteRequest {
  readonly mode: 'create' | 'put';
  readonly kind: string;
  readonly body: unknown;
  /** Only over this revision. */
  readonly ifMatch?: string | undefined;
  readonly principal: Principal;
  readonly commandId: string;
  /** Which resource is meant, where that is known already. */
  readonly ref?: ResourceRef;
  /** Id of the event whose state the document is. */
  readonly restores?: string;
  /** Check everything, and record nothing. */
  readonly dryRun?: boolean;
}

/** What a write left behind. */
export interface Written {
  readonly created: boolean;
  readonly changed: boolean;
  readonly row: ResourceRow;
  readonly document: Resource;
}

/** Validates a document, takes its secrets out, and records it. */
export async function writeResource(deps: ResourceStore, request: WriteRequest): Promise<Written> {
  const kind = kindOf(request.kind);
  const now = deps.clock();
  requireStorable(request.body);
  const whole = kind.normalize(request.body, { now });
  if (isExpired(whole, now)) throw InvalidResource('metadata.expires is in the past');
  const target = request.ref ?? (await targetOf(deps, kind, { whole, mode: request.mode }));
  await refuseEscalation(deps, request.principal, { whole, target });
  const { resource, secrets } = splitSecrets(kind, whole);
  // A masked name stands for the name that is stored already.
  if (isMaskedName(whole.metadata.name)) (secrets as Map<string, string>).delete(namePath);
  const same = await storedAlready(deps, target, secrets);
  const sealed = await sealSecrets(deps.sealer, target, secrets, request.commandId);
  const ifMatch = request.ifMatch ?? (await ownRevision(deps, target, whole));
  const run: ResourceRun = {
    command: {
      type: 'WriteResource',
      mode: request.mode,
      ref: target,
      resource: withoutRevision(resource),
      secrets: Object.fromEntries(sealed.map(({ path, ref }) => [path, ref])),
      same,
      dropped: emptiedPaths(kind, request.body),
      ...(ifMatch === undefined ? {} : { ifMatch }),
      now,
    },
    sealed,
    principal: request.principal,
    commandId: request.commandId,
    ...(request.restores === undefined ? {} : { restores: request.restores }),
    check: async (trx) => {
      if (kind.kind === 'user') await requireRoles(trx, whole.spec as UserSpec);
    },
  };
  const { created, changed, row } = await (request.dryRun ? previewCommand : runCommand)(deps, run);
  return { created, changed, row: row!, document: documentOf(row!) };
}

interface Target {
  readonly whole: Resource<unknown>;
  readonly mode: 'create' | 'put';
}

async function targetOf(deps: ResourceStore, kind: Kind, { whole, mode }: Target): Promise<ResourceRef> {
  const { name } = whole.metadata;
  if (!kind.secretName || !isMaskedName(name)) return { kind: kind.kind, id: idOf(kind, name) };
  const row =
    mode === 'put' ? await rowShownAs({ db: deps.store.db, clock: deps.clock }, kind, name) : undefined;
  if (!row) throw InvalidResource(`${name} is a masked name: write the ${kind.kind} with its whole name`);
  if (row.doc.spec['join_method'] !== (whole.spec as { join_method: string }).join_method) {
    throw InvalidResource('spec.join_method cannot be changed under a masked name');
  }
  return { kind: row.kind, id: row.id };
}

/** The revision a document was read at is a condition too, unless the resource is gone since: then it is made again. */
async function ownRevision(
  deps: ResourceStore,
  ref: ResourceRef,
  whole: Resource<unknown>,
): Promise<string | undefined> {
  const { revision } = whole.metadata;
  if (revision === undefined) return undefined;
  return (await findResource(deps.store.db, ref, deps.clock())) ? revision : undefined;
}

async function storedAlready(
  { store: { db }, sealer, clock }: ResourceStore,
  ref: ResourceRef,
  secrets: ReadonlyMap<string, string>,
): Promise<Record<string, string>> {
  const row = secrets.size > 0 ? await findResource(db, ref, clock()) : undefined;
  return row ? sameSecrets({ db, sealer }, { ...ref, secrets: row.secrets }, secrets) : {};
}

interface Change {
  readonly whole: Resource<unknown>;
  readonly target: ResourceRef;
}

async function refuseEscalation(
  deps: ResourceStore,
  principal: Principal,
  { whole, target }: Change,
): Promise<void> {
  if (!['role', 'user', 'token', 'lock'].includes(whole.kind)) return;
  const { db } = deps.store;
  const caller = await callerOf({ db, clock: deps.clock }, principal);
  if (whole.kind === 'lock') {
    const roles = caller.roles.map(({ metadata }) => metadata.name);
    return refuseLockOnAuthor(whole as Resource<LockSpec>, { user: caller.name, roles });
  }
  if (whole.kind === 'token') return refuseTokenOfMore(deps, caller, whole.spec as TokenSpec);
  const before = (await findResource(db, target, deps.clock()))?.doc;
  if (whole.kind === 'role') return refuseWiderRole(caller, whole as Role, before as unknown as Role);
  const change = { next: whole.spec as UserSpec, before: before?.spec as UserSpec | undefined };
  refuseForeignGifts(caller, { ...change, roles: await rolesNamed(db, change) });
}

async function refuseTokenOfMore(deps: ResourceStore, caller: Caller, token: TokenSpec): Promise<void> {
  refuseServiceToken(caller, token);
  if (token.bot_name === undefined) return;
  const name = userNameOf({ type: 'bot', id: token.bot_name })!;
  const { db } = deps.store;
  const bot = (await findResource(db, { kind: 'user', id: name }, deps.clock()))?.doc.spec as
    | UserSpec
    | undefined;
  if (!bot) return;
  const roles = await rolesNamed(db, { next: bot, before: undefined });
  refuseBotToken(caller, { user: { name, traits: bot.traits }, roles });
}

async function rolesNamed(
  db: ResourceStore['store']['db'],
  { next, before }: Pick<UserChange, 'next' | 'before'>,
): Promise<Role[]> {
  const names = new Set([...next.roles, ...(before?.roles ?? [])]);
  const rows = await findResources(
    db,
    [...names].map((id) => ({ kind: 'role', id })),
  );
  return rows.map(({ doc }) => doc as unknown as Role);
}

function withoutRevision(resource: Resource): PublicResource {
  const { revision: _, ...metadata } = resource.metadata;
  return { ...resource, metadata };
}
