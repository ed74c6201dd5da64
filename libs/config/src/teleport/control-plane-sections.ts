import type { Fields } from '@postern/contracts';
import { readStaticToken, type StaticToken } from '../static-token.ts';
import {
  at,
  ignore,
  InvalidTeleportYaml,
  readAddresses,
  readAddressField,
  readEnabled,
  type Reading,
  textsOf,
} from './section.ts';
import { textOrFile } from './text-or-file.ts';
import type { AuthSection, ProxySection, UnservedService } from './teleport-config.ts';

const authPort = 3025;
const proxyPort = 3080;
const kubePort = 3026;

/** Reads `auth_service:`, which is on unless switched off. */
export function readAuthSection(fields: Fields, reading: Reading): AuthSection {
  const section = {
    enabled: readEnabled(fields, true),
    clusterName: fields.string('cluster_name') || undefined,
    listenAddr: readAddressField(fields, 'listen_addr', authPort),
    publicAddrs: readAddresses(fields, 'public_addr', authPort),
    tokens: readTokens(fields),
  };
  ignore(reading, fields, ...ignoredInAuth);
  fields.end();
  return section;
}

function readTokens(fields: Fields): StaticToken[] {
  return textsOf(fields, 'tokens').map((text, index) =>
    at(fields, `tokens[${index}]`, () => readStaticToken(text, valueOrFile)),
  );
}

/** A path that is wrong must not become a secret that can be guessed. */
function valueOrFile(value: string): string {
  const text = textOrFile(value);
  if (value.startsWith('/') && text === value) throw new Error('names a file that is not there');
  return text;
}

const ignoredInAuth = [
  'authentication',
  'session_recording',
  'proxy_listener_mode',
  'proxy_checks_host_keys',
  'license_file',
  'kubeconfig_file',
  'keep_alive_interval',
  'keep_alive_count_max',
  'client_idle_timeout',
  'client_idle_timeout_message',
  'web_idle_timeout',
  'disconnect_expired_cert',
  'session_control_timeout',
  'message_of_the_day',
  'routing_strategy',
  'tunnel_strategy',
  'ca_key_params',
  'case_insensitive_routing',
  'hosted_plugins',
  'access_monitoring',
];

/** Reads `proxy_service:`, which is on unless switched off. */
export function readProxySection(fields: Fields, reading: Reading): ProxySection {
  const section = {
    enabled: readEnabled(fields, true),
    webListenAddr: readAddressField(fields, 'web_listen_addr', proxyPort),
    publicAddrs: readAddresses(fields, 'public_addr', proxyPort),
    kubePublicAddrs: readAddresses(fields, 'kube_public_addr', kubePort),
    httpsKeypairs: readKeypairs(fields),
  };
  ignore(reading, fields, ...ignoredInProxy);
  fields.end();
  return section;
}

const ignoredInProxy = [
  'listen_addr',
  'kube_listen_addr',
  'tunnel_listen_addr',
  'ssh_public_addr',
  'tunnel_public_addr',
  'mysql_listen_addr',
  'mysql_public_addr',
  'mysql_server_version',
  'postgres_listen_addr',
  'postgres_public_addr',
  'mongo_listen_addr',
  'mongo_public_addr',
  'peer_listen_addr',
  'peer_public_addr',
  'kubernetes',
  'proxy_protocol',
  'proxy_protocol_allow_downgrade',
  'proxy_group_id',
  'proxy_group_generation',
  'https_keypairs_reload_interval',
  'trust_x_forwarded_for',
  'automatic_upgrades_channels',
  'acme',
  'ui',
  'idp',
  'assist',
];

function readKeypairs(fields: Fields): ProxySection['httpsKeypairs'] {
  const legacy = { keyFile: fields.string('https_key_file'), certFile: fields.string('https_cert_file') };
  const listed = fields.mappings('https_keypairs').map((item) => {
    const pair = { keyFile: item.string('key_file'), certFile: item.string('cert_file') };
    item.end();
    return pair;
  });
  const pairs = legacy.keyFile || legacy.certFile ? [legacy, ...listed] : listed;
  return pairs.map(({ keyFile, certFile }) => {
    if (keyFile && certFile) return { keyFile, certFile };
    throw InvalidTeleportYaml(`${fields.path}: a key file and a certificate file belong together`);
  });
}

/** Services that Postern does not have. Their sections are accepted, whatever they hold. */
export const foreignServices = [
  'ssh_service',
  'app_service',
  'db_service',
  'windows_desktop_service',
  'okta_service',
  'jamf_service',
  'debug_service',
  'metrics_service',
  'tracing_service',
] as const;

/** Protocols that Postern does not serve, whose agents it knows all the same. */
const unserved: Readonly<Record<string, Omit<UnservedService, 'section'>>> = {
  ssh_service: { role: 'Node', protocol: 'SSH' },
  app_service: { role: 'App', protocol: 'applications' },
  db_service: { role: 'Db', protocol: 'databases' },
};

/** Accepts the section of a service that Postern does not have. Where it is on, it is told, or to be joined for as an agent. */
export function readForeignSection(fields: Fields, { notices }: Reading): UnservedService[] {
  const section = fields.path;
  if (!readEnabled(fields, section === 'ssh_service')) return [];
  const known = unserved[section];
  if (known) return [{ section, ...known }];
  notices.push(`${section}: Postern has no such service, ignored`);
  return [];
}
