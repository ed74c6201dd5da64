import { Fields, InvalidDocument, InvalidResource, NoDocuments, readDocuments } from '@postern/contracts';
import {
  foreignServices,
  readAuthSection,
  readForeignSection,
  readProxySection,
} from './control-plane-sections.ts';
import { readDiscoverySection } from './discovery-section.ts';
import { readKubernetesSection } from './kubernetes-section.ts';
import { InvalidTeleportYaml, type Reading } from './section.ts';
import type { TeleportConfig } from './teleport-config.ts';
import { readTeleportSection } from './teleport-section.ts';

/**
 * Reads a `teleport.yaml`. Every key is known or refused by its path; what is known and has no effect here is told in
 * `notices`. An absent `auth_service` or `proxy_service` is on, every other absent service is off.
 */
export function readTeleportYaml(text: string): TeleportConfig {
  try {
    return readRoot(new Fields(onlyDocument(text), ''));
  } catch (error) {
    if (InvalidResource.is(error) || InvalidDocument.is(error))
      throw InvalidTeleportYaml.from(error, error.message);
    throw error;
  }
}

function onlyDocument(text: string): unknown {
  const [document, ...more] = readAll(text);
  if (more.length > 0) throw InvalidTeleportYaml('the file must hold a single YAML document');
  return document;
}

function readAll(text: string): unknown[] {
  try {
    return readDocuments(text);
  } catch (error) {
    if (NoDocuments.is(error)) throw InvalidTeleportYaml('the file is empty');
    throw error;
  }
}

function readRoot(root: Fields): TeleportConfig {
  const reading: Reading = { notices: [] };
  const version = readVersion(root);
  const section = (name: string) => root.mapping(name) ?? new Fields({}, name);
  const config = {
    version,
    teleport: readTeleportSection(section('teleport'), version, reading),
    auth: readAuthSection(section('auth_service'), reading),
    proxy: readProxySection(section('proxy_service'), reading),
    kubernetes: readKubernetesSection(section('kubernetes_service'), reading),
    discovery: readDiscoverySection(section('discovery_service'), reading),
    unserved: foreignServices.flatMap((name) =>
      root.has(name) ? readForeignSection(section(name), reading) : [],
    ),
    notices: reading.notices,
  };
  root.ignore(...foreignServices);
  root.end();
  checkProxyServer(config);
  return config;
}

function readVersion(root: Fields): TeleportConfig['version'] {
  const version = root.string('version') || 'v1';
  if (version === 'v1' || version === 'v2' || version === 'v3') return version;
  throw InvalidTeleportYaml(`version: ${JSON.stringify(version.slice(0, 40))} must be one of v1, v2, v3`);
}

function checkProxyServer({ teleport, auth, proxy }: TeleportConfig): void {
  if (!teleport.proxyServer || (!auth.enabled && !proxy.enabled)) return;
  const [on] = [auth.enabled ? 'auth_service' : '', proxy.enabled ? 'proxy_service' : ''].filter(Boolean);
  throw InvalidTeleportYaml(
    `teleport.proxy_server can not be used when ${on} is enabled: set ${on}.enabled to "no" or remove proxy_server`,
  );
}
