import { common, type ConfigOf, duration, integer, text } from '@postern/config';

/** The variables that inventory-svc reads. */
export const inventoryConfig = {
  postgresUrl: common.postgresUrl,
  natsServers: common.natsServers,
  natsReplicas: common.natsReplicas,
  joinUrls: common.joinUrls,
  joinToken: common.joinToken,
  caPins: common.caPins,
  caFile: common.caFile,
  dataDir: common.dataDir,
  listen: common.listen,
  diagListen: common.diagListen,
  heartbeatIntervalMs: common.heartbeatIntervalMs,
  telemetry: common.telemetry,
  retentionMs: duration('POSTERN_INVENTORY_RETENTION', {
    summary: 'how long an agent that was lost stays in lists and counts',
    fallback: '10m',
  }),
  maxPolicyAgeMs: duration('POSTERN_POLICY_MAX_AGE', {
    summary: 'how long access is decided by roles that were not heard of again',
    fallback: '5m',
  }),
  flushMs: duration('POSTERN_INVENTORY_FLUSH', {
    summary: 'how often heartbeats are written',
    fallback: '1s',
    minMs: 10,
    maxMs: 60_000,
  }),
  scanMs: duration('POSTERN_INVENTORY_SCAN', {
    summary: 'how often silent agents are looked for',
    fallback: '5s',
    minMs: 10,
    maxMs: 60_000,
  }),
  recordingsStore: text('POSTERN_RECORDINGS_STORE', {
    summary:
      'where recordings of sessions are kept: postgres, dir:/path of a directory that all replicas share, or s3://bucket/prefix?region=…&endpoint=…',
    fallback: 'postgres',
    pattern: /^(?:postgres|dir:\/.+|s3:\/\/.+)$/,
  }),
  maxRecordingBytes: integer('POSTERN_RECORDINGS_MAX_BYTES', {
    summary: 'largest recording that is kept, in bytes',
    fallback: '268435456',
    min: 1024,
    max: 2 ** 40,
  }),
} as const;

/** What inventory-svc read. */
export type InventoryConfig = ConfigOf<typeof inventoryConfig>;
