import { type Bus, readEventLog } from '@postern/bus';
import type { StoredEvent } from '@postern/contracts';
import type { Ledger } from './ledger.ts';
import { type CheckedStore, contexts, openCheckedStore } from './stores.ts';

/** Sentences on what is wrong; none when everything is as it should be. */
export type Findings = string[];

/** The events of every service as Postgres has them. */
export type RecordedEvents = ReadonlyMap<string, readonly StoredEvent[]>;

const mostTold = 5;

/** Reads every recorded event. */
export async function readRecorded(postgresUrl: string): Promise<RecordedEvents> {
  const recorded = new Map<string, StoredEvent[]>();
  for (const context of contexts) {
    await using store = await openCheckedStore(postgresUrl, context);
    recorded.set(context, await wholeFeed(store));
  }
  return recorded;
}

/** Every acknowledged write of a load is recorded once, every other at most once, and nothing else under its name. */
export function checkWrites(events: readonly StoredEvent[], ledger: Ledger, load: string): Findings {
  const writes = ledger.attempts.filter(({ kind, verb }) => kind !== 'fact' && verb !== 'delete');
  const counts = countBy(events.filter(({ type }) => type === 'ResourceUpserted').map(markOf));
  const known = new Set(writes.map(({ mark }) => mark));
  const strangers = [...counts.keys()].filter((mark) => mark.startsWith(`${load}-`) && !known.has(mark));
  return [
    ...checkCounts(writes, counts),
    ...told('events of writes that nobody sent', strangers),
    ...checkDeletes(events, ledger),
    ...checkOrder(events, ledger),
  ];
}

/** Every acknowledged fact is recorded once, every other at most once. */
export function checkFacts(events: readonly StoredEvent[], ledger: Ledger): Findings {
  const counts = countBy(
    events.filter(({ type }) => type === 'KubeRequestAudited').map(({ data }) => data['requestId'] as string),
  );
  return checkCounts(
    ledger.attempts.filter(({ kind }) => kind === 'fact'),
    counts,
  );
}

/** The versions of each stream are 1, 2, 3 and so on. */
export function checkVersions(context: string, events: readonly StoredEvent[]): Findings {
  const wrong = [...byStream(events)].flatMap(([stream, own]) =>
    own.every(({ version }, at) => version === at + 1) ? [] : [stream],
  );
  return told(`streams of ${context} with a gap or a repetition of versions`, wrong);
}

/** The JetStream stream holds every recorded event once, and those of each stream in order. */
export async function checkLog(
  bus: Bus,
  context: (typeof contexts)[number],
  events: readonly StoredEvent[],
): Promise<Findings> {
  const logged = await wholeLog(bus, context);
  const ids = countBy(logged.map(({ id }) => id));
  const recorded = new Set(events.map(({ id }) => id));
  return [
    ...told(`events of ${context} missing in JetStream`, events.filter(({ id }) => !ids.has(id)).map(nameOf)),
    ...told(
      `events of ${context} twice in JetStream`,
      logged.filter(({ id }) => (ids.get(id) ?? 0) > 1).map(nameOf),
    ),
    ...told(
      `events of ${context} in JetStream that are not recorded`,
      logged.filter(({ id }) => !recorded.has(id)).map(nameOf),
    ),
    ...checkVersions(`${context} in JetStream`, logged),
  ];
}

function checkCounts(
  attempts: readonly { readonly mark: string; readonly outcome: string }[],
  counts: ReadonlyMap<string, number>,
): Findings {
  const countOf = (mark: string) => counts.get(mark) ?? 0;
  const lost = attempts.filter(({ mark, outcome }) => outcome === 'acknowledged' && countOf(mark) === 0);
  const twice = attempts.filter(({ mark }) => countOf(mark) > 1);
  return [
    ...told(
      'acknowledged writes that are not recorded',
      lost.map(({ mark }) => mark),
    ),
    ...told(
      'writes that are recorded more than once',
      twice.map(({ mark }) => mark),
    ),
  ];
}

function checkDeletes(events: readonly StoredEvent[], { attempts }: Ledger): Findings {
  const deletes = attempts.filter(({ verb }) => verb === 'delete');
  const names = new Set(deletes.map(({ kind, name }) => `${kind}/${name}`));
  const recorded = countBy(
    events.filter(({ type }) => type === 'ResourceDeleted').map(({ stream }) => stream),
  );
  const wrong = [...names].filter((stream) => {
    const own = deletes.filter(({ kind, name }) => `${kind}/${name}` === stream);
    const acknowledged = own.filter(({ outcome }) => outcome === 'acknowledged').length;
    const count = recorded.get(stream) ?? 0;
    return count < acknowledged || count > own.length;
  });
  return told('resources with more or fewer deletions than were asked for', wrong);
}

/** Writes of one name were sent one after the other, so acknowledged ones are recorded in that order. */
function checkOrder(events: readonly StoredEvent[], { attempts }: Ledger): Findings {
  const places = new Map(events.map((event) => [markOf(event), event.version]));
  const last = new Map<string, number>();
  const wrong: string[] = [];
  for (const { mark, kind, name, outcome } of attempts) {
    const place = places.get(mark);
    if (outcome !== 'acknowledged' || place === undefined) continue;
    const stream = `${kind}/${name}`;
    if (place <= (last.get(stream) ?? 0)) wrong.push(mark);
    last.set(stream, place);
  }
  return told('acknowledged writes that are recorded out of order', wrong);
}

function markOf({ type, data }: StoredEvent): string {
  if (type !== 'ResourceUpserted') return '';
  const { resource } = data as { resource?: { metadata?: { labels?: Record<string, string> } } };
  return resource?.metadata?.labels?.['mark'] ?? '';
}

async function wholeFeed(store: CheckedStore): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (let after = 0; ;) {
    const page = await store.feed({ after, limit: 5000 });
    if (page.length === 0) return events;
    events.push(...page.map(({ event }) => event));
    after = page.at(-1)!.position;
  }
}

async function wholeLog(bus: Bus, context: (typeof contexts)[number]): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  let page = await readEventLog(bus, context, { since: new Date(0) });
  for (;;) {
    events.push(...page.messages.map((message) => message.json() as unknown as StoredEvent));
    if (page.isCurrent) return events;
    page = await readEventLog(bus, context, { after: page.next });
  }
}

function byStream(events: readonly StoredEvent[]): Map<string, StoredEvent[]> {
  const streams = new Map<string, StoredEvent[]>();
  for (const event of events) {
    const own = streams.get(event.stream);
    if (own) own.push(event);
    else streams.set(event.stream, [event]);
  }
  return streams;
}

function countBy(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function nameOf({ stream, version, id }: StoredEvent): string {
  return `${stream}@${version} ${id}`;
}

function told(what: string, which: readonly string[]): Findings {
  const rest = which.length > mostTold ? ` and ${which.length - mostTold} more` : '';
  return which.length === 0 ? [] : [`${what}: ${which.slice(0, mostTold).join(', ')}${rest}`];
}
