import type { Fields } from '@postern/contracts';
import type { NetworkAddress } from '../network-address.ts';
import {
  at,
  ignore,
  InvalidTeleportYaml,
  readAddresses,
  readAddressField,
  type Reading,
  textsOf,
} from './section.ts';
import type { JoinSection, LogSection, TeleportConfig, TeleportSection } from './teleport-config.ts';

/** Every join method there is a name for. Which of them work is for join-svc to say. */
const joinMethods = [
  'token',
  'ec2',
  'iam',
  'github',
  'circleci',
  'kubernetes',
  'azure',
  'gitlab',
  'gcp',
  'spacelift',
  'tpm',
  'terraform_cloud',
  'bitbucket',
  'oracle',
  'azure_devops',
  'env0',
  'bound_keypair',
];

const proxyPort = 3080;
const authPort = 3025;
const defaultMaxConnections = 15_000;

/** Reads `teleport:`. */
export function readTeleportSection(
  fields: Fields,
  version: TeleportConfig['version'],
  reading: Reading,
): TeleportSection {
  const section = {
    nodename: fields.string('nodename') || undefined,
    dataDir: fields.string('data_dir') || '/var/lib/teleport',
    pidFile: fields.string('pid_file') || undefined,
    join: readJoin(fields),
    caPins: readPins(fields),
    ...readServers(fields, version),
    diagAddr: readAddressField(fields, 'diag_addr'),
    log: readLog(fields.mapping('log')),
    maxConnections: readMaxConnections(fields, reading),
  };
  ignore(
    reading,
    fields,
    'advertise_ip',
    'cache',
    'storage',
    'ciphers',
    'kex_algos',
    'mac_algos',
    'ciphersuites',
  );
  fields.end();
  return section;
}

function readJoin(fields: Fields): JoinSection | undefined {
  const legacy = fields.string('auth_token');
  const params = fields.mapping('join_params');
  if (legacy && params) {
    throw InvalidTeleportYaml(
      `only one of ${fields.at('auth_token')} and ${fields.at('join_params')} can be set`,
    );
  }
  if (!params) return legacy ? { method: 'token', tokenName: legacy } : undefined;
  const method = params.string('method') || 'token';
  if (!joinMethods.includes(method)) {
    throw InvalidTeleportYaml(
      `${params.at('method')}: unknown join method ${JSON.stringify(method.slice(0, 40))}`,
    );
  }
  const tokenName = params.string('token_name');
  if (!tokenName) throw InvalidTeleportYaml(`${params.at('token_name')} is required`);
  params.ignore('azure');
  params.end();
  return { method, tokenName };
}

function readPins(fields: Fields): string[] {
  const pins = textsOf(fields, 'ca_pin');
  const bad = pins.find((pin) => !/^sha256:[0-9a-fA-F]{64}$/.test(pin) && !pin.startsWith('/'));
  if (bad !== undefined)
    throw InvalidTeleportYaml(`${fields.at('ca_pin')} must be like sha256:<64 hex digits>, or a path`);
  return pins;
}

type Servers = Pick<TeleportSection, 'proxyServer' | 'authServers'>;

function readServers(fields: Fields, version: TeleportConfig['version']): Servers {
  const isV3 = version === 'v3';
  const [wrong] = (isV3 ? ['auth_servers'] : ['auth_server', 'proxy_server']).filter((name) =>
    fields.has(name),
  );
  if (wrong !== undefined) {
    const right = isV3 ? 'use auth_server or proxy_server' : 'it needs version: v3';
    throw InvalidTeleportYaml(`${fields.at(wrong)} cannot be used with version ${version}: ${right}`);
  }
  const proxyServer = readAddressField(fields, 'proxy_server', proxyPort);
  const authServer = readAddressField(fields, 'auth_server', authPort);
  if (proxyServer && authServer) {
    throw InvalidTeleportYaml(
      `only one of ${fields.at('auth_server')} and ${fields.at('proxy_server')} can be set`,
    );
  }
  const listed: NetworkAddress[] = readAddresses(fields, 'auth_servers', authPort);
  return { proxyServer, authServers: authServer ? [authServer] : listed };
}

const severities: Readonly<Record<string, LogSection['severity']>> = {
  error: 'error',
  err: 'error',
  warn: 'warn',
  warning: 'warn',
  info: 'info',
  debug: 'debug',
  trace: 'debug',
};

function readLog(fields: Fields | undefined): LogSection {
  if (!fields) return { output: 'stderr', severity: 'info', format: 'text' };
  const output = fields.string('output') || 'stderr';
  const word = (fields.string('severity') || 'info').toLowerCase();
  const severity = Object.hasOwn(severities, word) ? severities[word] : undefined;
  if (!severity)
    throw InvalidTeleportYaml(
      `${fields.at('severity')}: unsupported logger severity: ${JSON.stringify(word)}`,
    );
  const format = readLogFormat(fields.mapping('format'));
  fields.end();
  return { output, severity, format };
}

function readLogFormat(fields: Fields | undefined): LogSection['format'] {
  const output = fields?.string('output') || 'text';
  if (output !== 'text' && output !== 'json') {
    throw InvalidTeleportYaml(
      `${fields?.at('output')}: unsupported log output format: ${JSON.stringify(output)}`,
    );
  }
  const extra = fields?.strings('extra_fields') ?? [];
  const bad = extra.find((name) => !['level', 'timestamp', 'component', 'caller'].includes(name));
  if (bad !== undefined)
    throw InvalidTeleportYaml(`${fields?.at('extra_fields')}: unknown field ${JSON.stringify(bad)}`);
  fields?.end();
  return output;
}

function readMaxConnections(parent: Fields, reading: Reading): number {
  const fields = parent.mapping('connection_limits');
  if (!fields) return defaultMaxConnections;
  const max = fields.integer('max_connections') ?? defaultMaxConnections;
  at(fields, 'max_connections', () => {
    if (max < 1) throw new Error('must be at least 1');
  });
  ignore(reading, fields, 'max_users', 'rates');
  fields.end();
  return max;
}
