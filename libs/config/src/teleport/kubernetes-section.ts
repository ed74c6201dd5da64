import { type Fields, isLabelKey, isReservedLabel } from '@postern/contracts';
import {
  InvalidTeleportYaml,
  readAddresses,
  readAddressField,
  readDurationField,
  readEnabled,
  readFlag,
  readLabels,
  type Reading,
  readPatterns,
} from './section.ts';
import type { KubernetesSection, LabelCommand, ResourceMatcher } from './teleport-config.ts';

const kubePort = 3026;
const minPeriodMs = 1_000;

/** Reads `kubernetes_service:`. */
export function readKubernetesSection(fields: Fields, { notices }: Reading): KubernetesSection {
  noteListener(fields, notices);
  const section = {
    enabled: readEnabled(fields, false),
    kubeconfigFile: fields.string('kubeconfig_file') || undefined,
    kubeClusterName: readClusterName(fields),
    labels: readStaticLabels(fields),
    commands: fields.mappings('commands').map(readCommand),
    resources: fields.mappings('resources').map(readResource),
    dynamicLabelCommands: readAllowedCommands(fields),
    allowLoopback: readFlag(fields, 'allow_loopback', false),
  };
  fields.end();
  return section;
}

/** Files that were made for a listener are taken as they are; edges come through the tunnels that the agent opens. */
function noteListener(fields: Fields, notices: string[]): void {
  const listenAddr = readAddressField(fields, 'listen_addr', kubePort);
  const publicAddrs = readAddresses(fields, 'public_addr', kubePort);
  if (listenAddr) notices.push(`${fields.at('listen_addr')}: not needed, an agent listens nowhere; ignored`);
  if (publicAddrs.length > 0)
    notices.push(`${fields.at('public_addr')}: not needed, an agent listens nowhere; ignored`);
}

function readClusterName(fields: Fields): string | undefined {
  const name = fields.string('kube_cluster_name') || undefined;
  if (name === undefined || /^[A-Za-z0-9._-]{1,253}$/.test(name)) return name;
  throw InvalidTeleportYaml(`${fields.at('kube_cluster_name')}: use letters, digits, ".", "_" and "-"`);
}

function readStaticLabels(fields: Fields): Record<string, string> {
  const labels = readLabels(fields, 'labels');
  for (const key of Object.keys(labels)) checkLabelKey(fields.at('labels'), key);
  return labels;
}

function readCommand(fields: Fields): LabelCommand {
  const name = fields.string('name') ?? '';
  checkLabelKey(fields.at('name'), name);
  const command = fields.strings('command') ?? [];
  if (!command[0]) throw InvalidTeleportYaml(`${fields.at('command')} must name a program`);
  const periodMs = readDurationField(fields, 'period', '1m', minPeriodMs);
  fields.end();
  return { name, command, periodMs };
}

function checkLabelKey(path: string, key: string): void {
  const shown = JSON.stringify(key.slice(0, 100));
  if (!isLabelKey(key)) throw InvalidTeleportYaml(`${path}: invalid label key: ${shown}`);
  if (isReservedLabel(key)) throw InvalidTeleportYaml(`${path}: the label key ${shown} is reserved`);
}

function readResource(fields: Fields): ResourceMatcher {
  const aws = fields.mapping('aws');
  const matcher = {
    labels: readPatterns(fields, 'labels'),
    assumeRoleArn: aws?.string('assume_role_arn') || undefined,
    externalId: aws?.string('external_id') || undefined,
  };
  aws?.end();
  fields.end();
  return matcher;
}

function readAllowedCommands(fields: Fields): string[] {
  const programs = fields.strings('dynamic_label_commands') ?? [];
  const bad = programs.find((program) => !program.startsWith('/'));
  if (bad === undefined) return programs;
  // A relative name would be looked up in PATH, where somebody else may have put a program of that name.
  throw InvalidTeleportYaml(
    `${fields.at('dynamic_label_commands')}: ${JSON.stringify(bad.slice(0, 100))} is not an absolute path`,
  );
}
