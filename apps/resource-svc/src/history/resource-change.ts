import { type ResourceChange, ResourceDeleted, ResourceUpserted, type StoredEvent } from '@postern/contracts';
import { userNameOf } from '@postern/access';
import { parseSpiffeId } from '@postern/identity';
import { revisionOf } from '../resources/resource-name.ts';
import type { ResourceStore } from '../resources/run-command.ts';
import { fieldChanges, type RecordedContent } from './field-changes.ts';
import { eventsAt, placeKey } from './recorded.ts';

type Store = Pick<ResourceStore['store'], 'db' | 'find'>;

/** Recorded events as people read them, each compared with the one before it. */
export async function changesOf(store: Store, events: readonly StoredEvent[]): Promise<ResourceChange[]> {
  const before = await eventsAt(
    store,
    events.map(({ stream, version }) => ({ stream, version: version - 1 })),
  );
  const sources = await restoredFrom(store, events);
  return events.map((event) => {
    const cause = sources.get(event.meta.causationId ?? '');
    return changeOf(event, {
      before: before.get(placeKey({ stream: event.stream, version: event.version - 1 })),
      source: cause?.stream === event.stream ? cause : undefined,
    });
  });
}

/** An event is a restore where another one of the same resource led to it. */
async function restoredFrom(store: Store, events: readonly StoredEvent[]): Promise<Map<string, StoredEvent>> {
  const causes = new Set(events.flatMap(({ meta }) => meta.causationId ?? []));
  const found = await store.find([...causes]);
  return new Map(found.map((event) => [event.id, event]));
}

interface Around {
  readonly before: StoredEvent | undefined;
  readonly source: StoredEvent | undefined;
}

function changeOf(event: StoredEvent, { before, source }: Around): ResourceChange {
  const { version, at, meta } = event;
  const content = contentOf(event);
  const previous = before && contentOf(before);
  const ref = refOf(event.stream);
  return {
    kind: ref.kind,
    name: (content ?? previous)?.resource.metadata.name ?? ref.id,
    revision: revisionOf(ref, version),
    version,
    change: wordOf(event, { source }),
    at,
    actor: meta.actor ?? '',
    user: userOf(meta.actor),
    correlation: meta.correlationId ?? '',
    ...(source ? { restoredFrom: revisionOf(ref, source.version) } : {}),
    // What is deleted is all gone; `--at` has it.
    fields: content ? fieldChanges(previous, content) : [],
  };
}

/** What a recorded event left behind; nothing after a deletion. */
export function contentOf(event: StoredEvent): RecordedContent | undefined {
  if (event.type !== ResourceUpserted.type) return undefined;
  const { resource, secrets } = ResourceUpserted.read(event);
  return { resource, secrets };
}

/** The user whose rights something was done with; nobody's where the cluster did it by itself. */
export function userOf(actor: string | undefined): string {
  const name = actor === undefined ? undefined : parseSpiffeId(actor);
  return (name && userNameOf(name)) ?? '';
}

function refOf(stream: string) {
  const slash = stream.indexOf('/');
  return { kind: stream.slice(0, slash), id: stream.slice(slash + 1) };
}

function wordOf(event: StoredEvent, { source }: Pick<Around, 'source'>): ResourceChange['change'] {
  if (event.type === ResourceDeleted.type)
    return ResourceDeleted.read(event).reason === 'expired' ? 'expired' : 'deleted';
  if (source) return 'restored';
  return ResourceUpserted.read(event).created ? 'created' : 'updated';
}
