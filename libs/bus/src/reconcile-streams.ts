import { JetStreamApiError, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream';
import { canonicalJson, delay, failure, type Json, messageOf } from '@postern/core';
import type { Connection } from './connection.ts';
import { BusForbidden, translateError } from './failures.ts';
import type { StreamSpec } from './streams.ts';

/** A server that silently ignores settings we rely on. */
export const ServerTooOld = failure(
  'failed_precondition',
  'bus.server_too_old',
  (version: string) => `nats-server ${version} is too old: 2.11 or newer is needed`,
);

/** A stream that the server cannot make as declared, for example because storage or retention would change. */
export const StreamRefused = failure(
  'failed_precondition',
  'bus.stream_refused',
  (name: string, fields: string, why: string) =>
    `JetStream stream ${name} cannot be changed to what is declared (${fields}): ${why}. Move its data or change the declaration`,
);

/** Settings that the server accepted and did not apply. */
export const StreamSettingIgnored = failure(
  'failed_precondition',
  'bus.stream_setting_ignored',
  (name: string, fields: string) => `the NATS server ignored settings of JetStream stream ${name}: ${fields}`,
);

/** A stream that is not there, for one who may not make it. */
export const StreamMissing = failure(
  'unavailable',
  'bus.stream_missing',
  (name: string) => `JetStream stream ${name} is not there: join-svc makes it, so start that first`,
);

const minimumApiLevel = 1;
const patience = { ms: 30_000, everyMs: 250 };

/**
 * Creates or updates the streams and compares what the server then says they are. Only join-svc may do that where the bus asks
 * for credentials: a stream's configuration can copy messages to any subject there is. Others wait until the streams are there.
 */
export async function reconcileStreams(
  connection: Connection,
  streams: readonly StreamSpec[],
): Promise<void> {
  const manager = await connection.manager();
  if ((await apiLevel(connection, manager)) < minimumApiLevel)
    throw ServerTooOld(connection.nats.info?.version ?? '');
  for (const stream of streams) {
    await connection
      .answered(stream.name, () => reconcile(manager, stream))
      .catch((error: unknown) => {
        if (!BusForbidden.is(error)) throw error;
        return waitFor(connection, stream);
      });
  }
}

/** A stream that is declared otherwise works nevertheless, until join-svc is upgraded too. */
async function waitFor(connection: Connection, wanted: StreamSpec): Promise<void> {
  const manager = await connection.manager();
  const end = performance.now() + patience.ms;
  for (;;) {
    const found = await connection.answered(wanted.name, () => findStream(manager, wanted.name));
    if (found) return warnOfDifferences(connection, wanted, found);
    if (performance.now() > end) throw StreamMissing(wanted.name);
    await delay(patience.everyMs);
  }
}

function warnOfDifferences(connection: Connection, wanted: StreamSpec, found: StreamInfo): void {
  const fields = differences(wanted, found);
  if (fields.length === 0) return;
  connection.telemetry?.log.warn('a JetStream stream is not as this program declares it; upgrade join-svc', {
    stream: wanted.name,
    fields: fields.join(', '),
  });
}

/** Newer servers tell their API level when a client connects, those before it only when asked; the oldest have none. */
async function apiLevel(connection: Connection, manager: JetStreamManager): Promise<number> {
  const told = connection.nats.info?.api_lvl;
  if (told !== undefined) return told;
  const { api } = await connection.answered('$JS.API.INFO', () => manager.getAccountInfo());
  return (api as { readonly level?: number }).level ?? 0;
}

async function reconcile(manager: JetStreamManager, wanted: StreamSpec): Promise<void> {
  const existing = await findStream(manager, wanted.name);
  const differing = existing ? differences(wanted, existing) : [];
  if (existing && differing.length === 0) return;
  const info = await (
    existing ? change(manager, wanted, existing) : manager.streams.add({ ...wanted })
  ).catch((error: unknown) => {
    if (!(error instanceof JetStreamApiError) || error.status === 503) throw error;
    throw StreamRefused.from(error, wanted.name, differing.join(', ') || 'it is new', messageOf(error));
  });
  const ignored = differences(wanted, info);
  if (ignored.length > 0) throw StreamSettingIgnored(wanted.name, ignored.join(', '));
}

// An update replaces the whole configuration, so what we do not declare is sent back as it is.
function change(manager: JetStreamManager, wanted: StreamSpec, { config }: StreamInfo): Promise<StreamInfo> {
  return manager.streams.update(wanted.name, { ...config, ...wanted });
}

async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.status === 404) return undefined;
    throw translateError(error, name);
  }
}

/** Names of the declared fields that the server has otherwise. */
export function differences(wanted: StreamSpec, { config }: Pick<StreamInfo, 'config'>): string[] {
  const actual = config as unknown as Record<string, Json | undefined>;
  return Object.entries(wanted)
    .filter(([field, value]) => !covers(actual[field] ?? null, value as Json))
    .map(([field]) => field);
}

/** Whether the server's value is the declared one; objects may have more fields, as the server adds metadata of its own. */
function covers(actual: Json, wanted: Json): boolean {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) {
    return canonicalJson(actual) === canonicalJson(wanted);
  }
  const fields = (actual ?? {}) as Readonly<Record<string, Json>>;
  return Object.entries(wanted).every(([key, value]) => covers(fields[key] ?? null, value));
}
