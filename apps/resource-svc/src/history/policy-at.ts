import {
  PolicyAtQuery,
  PolicyAtReply,
  policyKinds,
  ResourceUpserted,
  type StoredEvent,
} from '@postern/contracts';
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
    'rules `readnosecrets` or `read` on role, user and lock',
    async ({ deps, principal }) => {
      for (const kind of policyKinds) await requireRead(deps.lookup, { principal, kind, withSecrets: false });
      return true;
    },
  ),
  query: PolicyAtQuery,
  reply: PolicyAtReply,
  async handle({ resources }, { query: { revision, at: text, ...about } }) {
    const at = text === undefined ? undefined : timeOf(text);
    const moment = await findMoment(await policyChanges(resources.store.db), { revision, at });
    return replyOf(resources.store, moment, { ...about, at: at ?? resources.clock() });
  },
});

function timeOf(text: string): Date {
  const at = new Date(text);
  if (!/^\d{4}-\d\d-\d\dT/.test(text) || Number.isNaN(at.getTime())) throw InvalidTime();
  return at;
}

type Store = Pick<ResourceStore['store'], 'find'>;

/** Whose policy it is, at what time; and for locks, in which session and at which cluster. */
interface About {
  readonly user: string;
  readonly session?: string | undefined;
  readonly cluster?: string | undefined;
  readonly at: Date;
}

/** Decided as an edge would have: by the same tables, of that moment's entries, at that time. */
async function replyOf(
  store: Store,
  moment: PolicyMoment,
  { user: name, at, session, cluster }: About,
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
  const locks = moment.all('lock').map(({ id }) => ({ kind: 'lock', id }));
  for (const event of await eventsOf(store, moment, locks)) tables.apply(entryOf(event));
  const lock = tables.lockOn({ user, session, cluster });
  const counting = new Map((user ? tables.rolesOf(user) : []).map((role) => [role.metadata.name, role]));
  return {
    revision: moment.revision,
    isExact: moment.isExact,
    since: moment.since?.toISOString() ?? '',
    until: moment.until?.toISOString() ?? '',
    user: userAt(name, user, {
      at,
      isLocked: user !== undefined && tables.lockOn({ user }) !== undefined,
      hasUnreadable: wanted.some(({ id }) => unreadable.has(`role/${id}`)),
    }),
    ...(lock ? { lock: { ...lock.target, message: lock.message } } : {}),
    roles: roleEvents.flatMap((event) => {
      const { id } = entryOf(event);
      const role = counting.get(id);
      return role ? [{ name: id, ...writtenBy(event, id), role }] : [];
    }),
  };
}

interface UserFacts {
  readonly at: Date;
  readonly isLocked: boolean;
  readonly hasUnreadable: boolean;
}

function userAt(
  name: string,
  user: UserState | undefined,
  { at, isLocked, hasUnreadable }: UserFacts,
): PolicyAtReply['user'] {
  if (!user) return { name, state: 'absent', traits: {}, roles: [] };
  const { traits, roles, expires } = user;
  const copied = Object.fromEntries(Object.entries(traits).map(([trait, values]) => [trait, [...values]]));
  const shown = {
    name,
    traits: copied,
    roles: [...roles],
    ...(expires ? { expires: expires.toISOString() } : {}),
  };
  if (isLocked) return { ...shown, state: 'locked' };
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
