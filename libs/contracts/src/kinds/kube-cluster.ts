import { parseDuration } from '@postern/core';
import { decodeKubeconfig, formatKubeconfig, parseKubeconfig } from '../kubeconfig.ts';
import {
  defineKind,
  isLabelKey,
  type Metadata,
  type Resource,
  type ResourceDocument,
} from './define-kind.ts';
import { Fields, InvalidResource } from './fields.ts';
import { checkLabels, isReservedLabel, originLabel } from './labels.ts';

/** A label whose value an agent finds out by running a command, where its configuration allows that. */
export interface DynamicLabel {
  /** Go duration, at least `1s`. */
  readonly period: string;
  /** The program and its arguments; no shell reads them. */
  readonly command: readonly string[];
}

/** An EKS cluster. */
export interface AwsCluster {
  readonly region: string;
  readonly account_id: string;
  readonly name: string;
}

/** An AKS cluster. */
export interface AzureCluster {
  readonly resource_name: string;
  readonly resource_group: string;
  readonly tenant_id: string;
  readonly subscription_id: string;
}

/** A GKE cluster. */
export interface GcpCluster {
  readonly location: string;
  readonly project_id: string;
  readonly name: string;
}

/** How an agent reaches a cluster. Where several are given it uses kubeconfig, then azure, then aws, then gcp. */
export interface KubeClusterSpec {
  /** Base64 of a minimal kubeconfig. A secret: absent wherever it was not asked for. */
  readonly kubeconfig?: string;
  readonly dynamic_labels?: Readonly<Record<string, DynamicLabel>>;
  readonly aws?: AwsCluster;
  readonly azure?: AzureCluster;
  readonly gcp?: GcpCluster;
}

/** A Kubernetes cluster that agents with matching labels serve. */
export const kubeClusterKind = defineKind<KubeClusterSpec>({
  kind: 'kube_cluster',
  plural: 'kube_clusters',
  versions: ['v3'],
  defaultVersion: 'v3',
  secretPaths: ['spec.kubeconfig'],
  normalize: normalizeKubeCluster,
});

function normalizeKubeCluster(doc: ResourceDocument): Resource<KubeClusterSpec> {
  checkName(doc.metadata.name);
  const spec = new Fields(doc.spec, 'spec');
  const kubeconfig = readKubeconfig(spec.string('kubeconfig'));
  const dynamicLabels = readDynamicLabels(doc.metadata.name, spec.mapping('dynamic_labels'));
  const aws = readAws(spec.mapping('aws'));
  const azure = readAzure(spec.mapping('azure'));
  const gcp = readGcp(spec.mapping('gcp'));
  spec.end();
  const parts = { kubeconfig, dynamic_labels: dynamicLabels, aws, azure, gcp };
  const given = Object.entries(parts).filter(([, value]) => value !== undefined);
  return { ...doc, metadata: withOrigin(doc.metadata), spec: Object.fromEntries(given) };
}

function checkName(name: string): void {
  if (!/^[A-Za-z0-9._-]{1,253}$/.test(name)) {
    throw InvalidResource(
      `invalid Kubernetes cluster name ${JSON.stringify(name.slice(0, 100))}: use letters, digits, ".", "_" and "-"`,
    );
  }
}

function withOrigin(metadata: Metadata): Metadata {
  const labels = { ...metadata.labels };
  checkLabels(labels);
  return { ...metadata, labels: { ...labels, [originLabel]: labels[originLabel] ?? 'dynamic' } };
}

/** Parsed and written anew: contexts that are not selected, extensions and unknown fields end here. */
function readKubeconfig(base64: string | undefined): string | undefined {
  if (base64 === undefined || base64.trim() === '') return undefined;
  // Whether an agent connects to its own machine is for that agent to say, when it loads the cluster.
  const kubeconfig = parseKubeconfig(decodeKubeconfig(base64), { allowLoopback: true });
  return Buffer.from(formatKubeconfig(kubeconfig)).toString('base64');
}

function readDynamicLabels(
  cluster: string,
  fields: Fields | undefined,
): Record<string, DynamicLabel> | undefined {
  const keys = fields?.names() ?? [];
  if (keys.length > 64) throw InvalidResource('spec.dynamic_labels holds more than 64 labels');
  const labels = keys.map((key): [string, DynamicLabel] => {
    if (!isLabelKey(key))
      throw InvalidResource(`Kubernetes cluster "${cluster}" invalid label key: ${quoted(key)}`);
    if (isReservedLabel(key))
      throw InvalidResource(`Kubernetes cluster "${cluster}" reserved label key: ${quoted(key)}`);
    return [key, readDynamicLabel(key, fields?.mapping(key) ?? new Fields({}, `spec.dynamic_labels.${key}`))];
  });
  return labels.length > 0 ? Object.fromEntries(labels) : undefined;
}

function readDynamicLabel(key: string, fields: Fields): DynamicLabel {
  const period = fields.string('period') ?? '';
  const command = fields.strings('command') ?? [];
  // The last output, in files that were read from elsewhere; agents report it, nobody writes it.
  fields.ignore('result');
  fields.end();
  if (!(periodMs(period) >= 1000)) {
    throw InvalidResource(
      `dynamic label ${quoted(key)}: period must be a duration of at least 1s, such as 24h`,
    );
  }
  if (command.length === 0 || command.length > 64 || !command[0]) {
    throw InvalidResource(`dynamic label ${quoted(key)}: command must name a program`);
  }
  if (command.some((part) => part.includes('\0') || part.length > 4096)) {
    throw InvalidResource(
      `dynamic label ${quoted(key)}: an argument of command is too long or holds a NUL character`,
    );
  }
  return { period, command };
}

function periodMs(text: string): number {
  try {
    return parseDuration(text);
  } catch {
    return Number.NaN;
  }
}

function readAws(fields: Fields | undefined): AwsCluster | undefined {
  const aws = readTexts(fields, ['region', 'account_id', 'name']);
  if (!aws) return undefined;
  if (!/^[a-z]{2,4}(-[a-z]+){1,3}-\d{1,2}$/.test(aws.region)) throw InvalidResource('invalid AWS Region');
  if (!/^[0-9A-Za-z][0-9A-Za-z_-]{0,99}$/.test(aws.name)) throw InvalidResource('invalid AWS Name');
  if (!/^\d{12}$/.test(aws.account_id)) throw InvalidResource('invalid AWS AccountID');
  return aws;
}

function readAzure(fields: Fields | undefined): AzureCluster | undefined {
  const azure = readTexts(fields, ['resource_name', 'resource_group', 'tenant_id', 'subscription_id']);
  if (!azure) return undefined;
  if (!/^[A-Za-z0-9_-]{1,63}$/.test(azure.resource_name)) throw InvalidResource('invalid Azure ResourceName');
  if (!/^[\p{L}\p{N}()._-]{1,90}$/u.test(azure.resource_group))
    throw InvalidResource('invalid Azure ResourceGroup');
  if (!/^[A-Za-z0-9-]{0,64}$/.test(azure.tenant_id)) throw InvalidResource('invalid Azure TenantID');
  if (!/^[A-Za-z0-9-]{1,64}$/.test(azure.subscription_id))
    throw InvalidResource('invalid Azure SubscriptionID');
  return azure;
}

function readGcp(fields: Fields | undefined): GcpCluster | undefined {
  const gcp = readTexts(fields, ['location', 'project_id', 'name']);
  if (!gcp) return undefined;
  if (!/^[a-z0-9-]{1,64}$/.test(gcp.location)) throw InvalidResource('invalid GCP Location');
  if (!/^[a-z0-9.:-]{1,64}$/.test(gcp.project_id)) throw InvalidResource('invalid GCP ProjectID');
  if (!/^[a-z0-9-]{1,64}$/.test(gcp.name)) throw InvalidResource('invalid GCP Name');
  return gcp;
}

/** The named texts of a block, or nothing for a block without content, as older releases print it. */
function readTexts<K extends string>(
  fields: Fields | undefined,
  names: readonly K[],
): Record<K, string> | undefined {
  if (!fields) return undefined;
  const texts = names.map((name) => [name, fields.string(name) ?? ''] as const);
  fields.end();
  return texts.some(([, text]) => text !== '') ? (Object.fromEntries(texts) as Record<K, string>) : undefined;
}

function quoted(key: string): string {
  return JSON.stringify(key.slice(0, 100));
}
