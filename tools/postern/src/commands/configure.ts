import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { type CliContext, command, list, readTextFile, text, textOr, UsageError } from '@postern/cli';
import { FileExists, proxyAddress, writePrivateFile } from '@postern/client';
import { failure } from '@postern/core';
import { localPins } from '../configure/local-pins.ts';
import { type ConfigurableRole, configurableRoles, teleportYaml } from '../configure/teleport-yaml.ts';

const UnknownService = failure(
  'invalid_argument',
  'postern.unknown_role',
  (role: string) => `unknown role ${JSON.stringify(role)}; known: ${configurableRoles.join(', ')}`,
);

const UnsupportedVersion = failure(
  'invalid_argument',
  'postern.unsupported_config_version',
  (version: string) => `configuration version ${JSON.stringify(version)} cannot be written; only v3 can`,
);

const joinMethods: readonly string[] = ['token', 'iam', 'ec2', 'kubernetes'];

const UnknownJoinMethod = failure(
  'invalid_argument',
  'postern.unknown_join_method',
  (method: string) => `unknown join method ${JSON.stringify(method)}; known: ${joinMethods.join(', ')}`,
);

const ConfigurationExists = failure(
  'already_exists',
  'postern.configuration_exists',
  (path: string) =>
    `${path} exists already and is not overwritten: remove it, or choose another file with -o`,
);

const defaultFile = '/etc/teleport.yaml';

export const configure = command({
  name: 'configure',
  summary: 'Write a configuration file to start from, or check one',
  args: {},
  flags: {
    output: text('-o, --output <where>', `stdout (default), file (${defaultFile}), or a path`),
    test: text('--test <file>', 'Check this file and write nothing'),
    version: textOr('v3', '--version <version>', 'Version of the file'),
    proxy: text('--proxy <host:port>', 'Address of the proxy to join through'),
    roles: list('--roles <roles>', `What the process is to be: ${configurableRoles.join(', ')}`),
    token: text('--token <token>', 'Join token, or a file that holds it'),
    joinMethod: textOr('token', '--join-method <method>', `How the process joins: ${joinMethods.join(', ')}`),
    caPins: list(
      '--ca-pin <pin>',
      'Pin of the cluster, as tctl status shows it; known without for a proxy of this machine',
    ),
    nodeName: text('--node-name <name>', 'Name of the process; the name of the host unless given'),
    dataDir: textOr('/var/lib/teleport', '--data-dir <folder>', 'Where the process keeps its identity'),
  },
  async run(context, { flags }) {
    if (flags.test !== undefined && flags.output !== undefined)
      throw UsageError('only --output or --test can be set, not both');
    if (flags.test !== undefined) return check(context, flags.test);
    if (!joinMethods.includes(flags.joinMethod)) throw UnknownJoinMethod(flags.joinMethod);
    if (flags.version !== 'v3') throw UnsupportedVersion(flags.version);
    const proxy = flags.proxy === undefined ? undefined : proxyAddress(flags.proxy);
    const content = teleportYaml({
      nodename: flags.nodeName ?? hostname(),
      dataDir: flags.dataDir,
      proxy,
      token: flags.token,
      joinMethod: flags.joinMethod,
      caPins: flags.caPins ?? (proxy === undefined ? [] : await localPins(proxy, context)),
      roles: rolesOf(flags.roles ?? []),
    });
    write(context, flags.output ?? 'stdout', content);
  },
});

async function check({ terminal, cwd }: CliContext, path: string): Promise<void> {
  const { readTeleportYaml } = await import('@postern/config');
  readTeleportYaml(readTextFile(resolve(cwd, path)));
  terminal.print(`${path} is a valid configuration`);
}

function rolesOf(names: readonly string[]): ConfigurableRole[] {
  return names.map((name) => {
    const role = configurableRoles.find((known) => known === name.toLowerCase());
    if (!role) throw UnknownService(name);
    return role;
  });
}

function write({ terminal, cwd }: CliContext, output: string, content: string): void {
  if (output === 'stdout') return terminal.write(content);
  const path = output === 'file' ? defaultFile : output.replace(/^file:\/\//, '');
  try {
    writePrivateFile(resolve(cwd, path), content, { overwrite: false });
  } catch (error) {
    throw FileExists.is(error) ? ConfigurationExists.from(error, path) : error;
  }
  terminal.print(
    `The configuration was written to ${path}. Edit it, then start with:\n\npostern start --config=${path}`,
  );
}
