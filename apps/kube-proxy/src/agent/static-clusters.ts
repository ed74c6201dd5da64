import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseKubeconfig } from '@postern/contracts';
import { failure, isPlainObject, messageOf } from '@postern/core';
import { inClusterSettings } from '@postern/kube';
import type { Logger } from '@postern/telemetry';
import { parse, stringify } from 'yaml';
import type { LabelCommands } from './dynamic-labels.ts';
import type { ClusterSpec } from './served-clusters.ts';

export const NoCredentials = failure(
  'failed_precondition',
  'kube.no_credentials_found',
  () =>
    'no Kubernetes credentials found; Kubernetes_service requires either a valid kubeconfig_file or to run inside of a Kubernetes pod',
);

/** Clusters of the agent's own configuration (kubernetes_service). */
export interface StaticClustersConfig {
  readonly kubeconfigFile?: string | undefined;
  readonly kubeClusterName?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly labelCommands: LabelCommands;
  /** The environment a pod gets from Kubernetes. */
  readonly podEnvironment: Readonly<Record<string, string | undefined>>;
}

/**
 * The clusters an agent serves by its configuration: every context of the kubeconfig file under its own name; or the one
 * cluster that a name is given for, which is the file's current context, or without a file the cluster we run in.
 */
export async function staticClusters(config: StaticClustersConfig, log: Logger): Promise<ClusterSpec[]> {
  const { kubeconfigFile, kubeClusterName } = config;
  if (!kubeconfigFile && !kubeClusterName) return [];
  const found = kubeconfigFile
    ? await fromFile(kubeconfigFile, kubeClusterName, log)
    : await fromPod(kubeClusterName!, config);
  if (found.length === 0) throw NoCredentials();
  const { labels, labelCommands } = config;
  return found.map((cluster) => ({ ...cluster, origin: 'config-file', labels, labelCommands }));
}

type Found = Pick<ClusterSpec, 'name' | 'settings'>;

async function fromPod(name: string, { podEnvironment }: StaticClustersConfig): Promise<Found[]> {
  const settings = await inClusterSettings(podEnvironment);
  return settings ? [{ name, settings }] : [];
}

async function fromFile(path: string, onlyAs: string | undefined, log: Logger): Promise<Found[]> {
  const config: unknown = parse(await readFile(path, 'utf8'), { maxAliasCount: 0 });
  if (!isPlainObject(config)) return [];
  const names = onlyAs ? [nameOf(config['current-context'])] : contextNames(config);
  const found = await Promise.all(
    names.map((name) => fromContext({ config, path, name, as: onlyAs ?? name }, log)),
  );
  return found.filter((cluster) => cluster !== undefined);
}

function contextNames(config: Record<string, unknown>): string[] {
  const contexts = Array.isArray(config['contexts']) ? (config['contexts'] as unknown[]) : [];
  return contexts.filter(isPlainObject).map((context) => nameOf(context['name']));
}

function nameOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

interface Context {
  readonly config: Record<string, unknown>;
  readonly path: string;
  readonly name: string;
  readonly as: string;
}

async function fromContext({ config, path, name, as }: Context, log: Logger): Promise<Found | undefined> {
  try {
    if (!/^[A-Za-z0-9._-]{1,253}$/.test(as)) throw new TypeError('its name cannot be the name of a cluster');
    const inline = await inlined({ ...config, 'current-context': name }, dirname(resolve(path)));
    return { name: as, settings: parseKubeconfig(stringify(inline), { allowLoopback: true }) };
  } catch (error) {
    log.warn('a context of the kubeconfig file is skipped', { context: name, reason: messageOf(error) });
    return undefined;
  }
}

/** Fields that name a file, and those that hold what is in it. The operator of the agent wrote this file, so it may. */
const fileFields = {
  'certificate-authority': 'certificate-authority-data',
  'client-certificate': 'client-certificate-data',
  'client-key': 'client-key-data',
} as const;

async function inlined(config: Record<string, unknown>, dir: string): Promise<Record<string, unknown>> {
  const clusters = await inlineAll(config['clusters'], 'cluster', dir);
  const users = await inlineAll(config['users'], 'user', dir);
  return { ...config, clusters, users };
}

async function inlineAll(list: unknown, item: 'cluster' | 'user', dir: string): Promise<unknown[]> {
  const entries = Array.isArray(list) ? (list as unknown[]).filter(isPlainObject) : [];
  return Promise.all(
    entries.map(async (entry) => {
      const value = entry[item];
      return isPlainObject(value) ? { ...entry, [item]: await inlineFiles(value, dir) } : entry;
    }),
  );
}

async function inlineFiles(value: Record<string, unknown>, dir: string): Promise<Record<string, unknown>> {
  const result: Record<string, unknown> = { ...value };
  for (const [field, data] of Object.entries(fileFields)) {
    const file = result[field];
    if (typeof file !== 'string' || file === '') continue;
    delete result[field];
    // A file that is missing makes this entry unusable, and only the contexts that use it.
    result[data] ??= (await readFile(resolve(dir, file)).catch(() => Buffer.alloc(0))).toString('base64');
  }
  return result;
}
