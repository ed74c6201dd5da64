import { JetStreamApiError, type JetStreamManager, type StreamInfo } from '@nats-io/jetstream';
import { canonicalJson, failure, type Json, messageOf } from '@postern/core';
import type { Connection } from './connection.ts';
import { translateError } from './failures.ts';
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

const minimumApiLevel = 1;

/** Creates or updates the streams and compares what the server then says they are. */
export async function reconcileStreams(
  connection: Connection,
  streams: readonly StreamSpec[],
): Promise<void> {
  const manager = await connection.manager();
  if ((await apiLevel(connection, manager)) < minimumApiLevel)
    throw ServerTooOld(connection.nats.info?.version ?? '');
  for (const stream of streams) {
    await connection.answered(stream.name, () => reconcile(manager, stream));
  }
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
