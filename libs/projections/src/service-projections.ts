import { failure } from '@postern/core';
import type { EventStore } from '@postern/event-store';
import type { Projection } from './projection.ts';
import { rebuild } from './rebuild.ts';
import type { ReplayOptions } from './rebuild/beside.ts';

/** A projection that the service does not have. */
export const UnknownProjection = failure(
  'not_found',
  'projections.unknown_projection',
  (name: string, known: readonly string[]) =>
    `there is no projection ${JSON.stringify(name)} here: ${known.length === 0 ? 'this service has none' : `there are ${known.join(', ')}`}`,
);

/** Every projection of a service, in one list for whoever means all of them: its start, a rebuild by hand, tests. */
export interface ServiceProjections<Db> {
  /** Applied in the transaction of the append. */
  readonly withAppend: readonly Projection<Db>[];
  /** Run by `runProjections`. */
  readonly behindBus: readonly Projection<Db>[];
}

/** Names of the projections of a service. */
export function projectionNames<Db>({ withAppend, behindBus }: ServiceProjections<Db>): string[] {
  return [...withAppend, ...behindBus].map(({ name }) => name);
}

/** Rebuilds the projections of a service, or those that are named, one after the other. */
export async function rebuildService<Db>(
  store: EventStore<Db>,
  projections: ServiceProjections<Db>,
  { names, ...options }: ReplayOptions & { readonly names?: readonly string[] } = {},
): Promise<void> {
  const known = projectionNames(projections);
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown !== undefined) throw UnknownProjection(unknown, known);
  const isMeant = ({ name }: Projection<Db>) => names?.includes(name) ?? true;
  for (const each of projections.withAppend.filter(isMeant)) await rebuild(store, each, options);
  for (const each of projections.behindBus.filter(isMeant))
    await rebuild(store, each, { ...options, isFollowing: true });
}
