import { PolicyAtQuery, PolicyAtReply, ResourceUpserted, type StoredEvent } from '@postern/contracts';
import { failure } from '@postern/core';
import { allowIf, route } from '@postern/http';
import { PolicyTables, type UserState } from '@postern/policy';
import { revisionOf } from '../resources/resource-name.ts';
import type { ResourceStore } from '../resources/run-command.ts';
import { requireRead } from '../rules/read-rules.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { policyChanges } from './policy-changes.ts';
import { findMoment, type PolicyMoment } from './policy-moment.ts';

const InvalidTime = failure(
  'invalid_argument',
  'resource.invalid_time',
  () => 'at must be a time like 2026-01-31T12:00:00Z',
);

export const policyAt = route<ServiceDeps>()({
  method: 'GET',
  url: '/v1/history/policy',
  allow: allowIf<ServiceDeps>(
    'rules `readnosecrets` or `read` on role and on user',
    async ({ deps, principal }) => {
      for (const kind of ['role', 'user'])
        await requireRead(deps.lookup, { principal, kind, withSecrets: false });
      return true;
    },
  ),
  query: PolicyAtQuery,
  reply: PolicyAtReply,
  async handle({ resources }, { query: { user, revision, at: text } }) {
    const at = text === undefined ? undefined : timeOf(text);
    const moment = await findMoment(await policyChanges(resources.store.db), { revision, at });
    return replyOf(resources.store, moment, { user, at: at ?? resources.clock() });
  },
});

function timeOf(text: string): Date {
  const at = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(at.getTime())) throw InvalidTime();
  return at;
}

type Store = Pick<ResourceStore['store'], 'find'>;

/** Decided as an edge would have: by the same tables, of that moment's entries, at that time. */
async function replyOf(
  store: Store,
  moment: PolicyMoment,
  { user: name, at }: { readonly user: string; readonly at: Date },
): Promise<PolicyAtReply> {
  const unreadable = new Set<string>();
  const onUnreadable = (kind: string, id: string) => void unreadable.add(`${kind}/${id}`);
  const tables = new PolicyTables({ clock: () => at, onUnreadable });
  const [userEvent] = await eventsOf(store, moment, [{ kind: 'user', id: name }]);
  if (userEvent) tables.apply(entryOf(userEvent));
  const user = tables.user(name);
  const wanted = (user?.roles ?? []).map((id) => ({ kind: 'role', id }));
  const roleEvents = await eventsOf(store, moment, wanted);
  for (const event of roleEvents) tables.apply(entryOf(event));
  const counting = new Map((user ? tables.rolesOf(user) : []).map((role) => [role.metadata.name, role]));
  return {
    revision: moment.revision,
    isExact: moment.isExact,
    since: moment.since?.toISOString() ?? '',
    until: moment.until?.toISOString() ?? '',
    user: userAt(name, user, { at, hasUnreadable: wanted.some(({ id }) => unreadable.has(`role/${id}`)) }),
    roles: roleEvents.flatMap((event) => {
      const { id } = entryOf(event);
      const role = counting.get(id);
      return role ? [{ name: id, ...writtenBy(event, id), role }] : [];
    }),
  };
}

function userAt(
  name: string,
  user: UserState | undefined,
  { at, hasUnreadable }: { readonly at: Date; readonly hasUnreadable: boolean },
): PolicyAtReply['user'] {
  if (!user) return { name, state: 'absent', traits: {}, roles: [] };
  const { traits, roles, locked, expires } = user;
  const copied = Object.fromEntries(Object.entries(traits).map(([trait, values]) => [trait, [...values]]));
  const shown = {
    name,
    traits: copied,
    roles: [...roles],
    ...(expires ? { expires: expires.toISOString() } : {}),
  };
  if (locked !== undefined) return { ...shown, state: 'locked' };
  if (expires && expires <= at) return { ...shown, state: 'expired' };
  return { ...shown, state: hasUnreadable ? 'unreadable_role' : 'active' };
}

function writtenBy({ version, at, meta }: StoredEvent, id: string) {
  return { version, revision: revisionOf({ kind: 'role', id }, version), at, actor: meta.actor ?? '' };
}

function eventsOf(
  store: Store,
  moment: PolicyMoment,
  refs: readonly { readonly kind: string; readonly id: string }[],
): Promise<StoredEvent[]> {
  return store.find(refs.flatMap(({ kind, id }) => moment.current(kind, id)?.eventId ?? []));
}

function entryOf(event: StoredEvent) {
  const { kind, id, resource } = ResourceUpserted.read(event);
  return { kind, id, resource };
}
