import { formatDuration, parseDuration } from '@postern/core';
import { InvalidResource, type Fields } from './fields.ts';

/** How sessions are recorded: `strict` ends those that cannot be, `best_effort` lets them go on, `off` records none. */
export type RecordingMode = 'strict' | 'best_effort' | 'off';

/** Options of a role. Those of other protocols are kept as written; see `passive` below. */
export interface RoleOptions {
  /** Go duration; the longest certificate a holder may have. */
  readonly max_session_ttl: string;
  /** Concurrent interactive Kubernetes sessions per user; absent is unlimited. */
  readonly max_kubernetes_connections?: number;
  /** Go duration after which an idle stream is closed; absent is never. */
  readonly client_idle_timeout?: string;
  /** Whether streams end with the certificate they began with. */
  readonly disconnect_expired_cert?: boolean;
  /** How exec and attach are recorded; absent is `strict`. Other protocols' keys are kept as written. */
  readonly record_session?: { readonly default?: RecordingMode };
}

const defaultSessionTtl = '30h0m0s';

/** Options that concern other protocols, or ask for nothing more than Postern always does. Kept, so that a file round-trips. */
const passive = [
  'cert_extensions',
  'cert_format',
  'create_db_user',
  'create_db_user_mode',
  'create_desktop_user',
  'create_host_user',
  'create_host_user_default_shell',
  'create_host_user_mode',
  'desktop_clipboard',
  'desktop_directory_sharing',
  'enhanced_recording',
  'forward_agent',
  'idp',
  'lock',
  'max_connections',
  'max_sessions',
  'permit_x11_forwarding',
  'port_forwarding',
  'request_access',
  'request_prompt',
  'ssh_file_copy',
  'ssh_port_forwarding',
];

/** Restrictions that are not enforced: storing a role that asks for one would promise what does not happen. */
const unsupported: Readonly<Record<string, readonly unknown[]>> = {
  device_trust_mode: ['', 'off', 'optional'],
  mfa_verification_interval: [],
  pin_source_ip: [false],
  require_session_mfa: ['', false, 'false', 'off', 'no'],
};

/** Validates `spec.options` and fills in defaults. */
export function readOptions(fields: Fields): RoleOptions {
  const idle = readDuration(fields, 'client_idle_timeout');
  const connections = fields.integer('max_kubernetes_connections');
  if (connections !== undefined && connections < 0) {
    throw InvalidResource(`${fields.at('max_kubernetes_connections')} must not be negative`);
  }
  const disconnect = fields.boolean('disconnect_expired_cert');
  const recording = readRecording(fields);
  refuseUnsupported(fields);
  const kept = passive.filter((name) => fields.has(name)).map((name) => [name, fields.raw(name)] as const);
  fields.ignore(...passive);
  const options: RoleOptions = {
    ...Object.fromEntries(kept),
    max_session_ttl: readDuration(fields, 'max_session_ttl') ?? defaultSessionTtl,
    ...(connections ? { max_kubernetes_connections: connections } : {}),
    ...(idle ? { client_idle_timeout: idle } : {}),
    ...(disconnect === undefined ? {} : { disconnect_expired_cert: disconnect }),
    ...(recording ? { record_session: recording } : {}),
  };
  fields.end();
  return options;
}

const recordingModes: readonly string[] = ['strict', 'best_effort', 'off'];
/** Keys of other protocols. */
const otherRecordings = ['desktop', 'ssh'];

function readRecording(fields: Fields): RoleOptions['record_session'] {
  const recording = fields.mapping('record_session');
  if (!recording) return undefined;
  const mode = recording.string('default');
  if (mode !== undefined && mode !== '' && !recordingModes.includes(mode))
    throw InvalidResource(`${recording.at('default')} must be one of ${recordingModes.join(', ')}`);
  const kept = otherRecordings
    .filter((name) => recording.has(name))
    .map((name) => [name, recording.raw(name)]);
  recording.ignore(...otherRecordings);
  recording.end();
  const read = { ...Object.fromEntries(kept), ...(mode ? { default: mode as RecordingMode } : {}) };
  return Object.keys(read).length === 0 ? undefined : read;
}

function readDuration(fields: Fields, name: string): string | undefined {
  const text = fields.string(name);
  if (text === undefined || text === '' || text === 'never') return undefined;
  try {
    const ms = parseDuration(text);
    return ms > 0 ? formatDuration(ms) : undefined;
  } catch (error) {
    throw InvalidResource.from(error, `${fields.at(name)} must be a duration like 30h or 1h30m`);
  }
}

function refuseUnsupported(fields: Fields): void {
  for (const [name, harmless] of Object.entries(unsupported)) {
    const value = fields.raw(name);
    if (value !== undefined && !harmless.includes(value)) {
      throw InvalidResource(`${fields.at(name)} is not supported: remove it, nothing would enforce it`);
    }
  }
}
