import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isPlainObject } from '@postern/core';
import { parse, stringify } from 'yaml';

/** A context of somebody's kubeconfig, as a cluster to register. */
export interface ContextCluster {
  readonly name: string;
  /** A kubeconfig of this context alone, with the files it named read into it. */
  readonly kubeconfig: string;
}

type Section = Readonly<Record<string, unknown>>;

/** The contexts of a kubeconfig file on this machine. Throws when the file is not one. */
export function contextsOf(file: string): ContextCluster[] {
  const config: unknown = parse(readFileSync(file, 'utf8'), { maxAliasCount: 0 });
  if (!isPlainObject(config) || !Array.isArray(config['contexts']))
    throw new Error(`${file} is not a kubeconfig: it has no contexts`);
  const contexts = config['contexts'] as { name: string; context: { cluster: string; user: string } }[];
  return contexts.map(({ name, context }) => ({
    name: name.replaceAll(/[^A-Za-z0-9._-]/g, '-'),
    kubeconfig: stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name, cluster: inlined(named(config, 'clusters', context.cluster, 'cluster'), file) }],
      users: [{ name, user: inlined(named(config, 'users', context.user, 'user'), file) }],
      contexts: [{ name, context: { cluster: name, user: name } }],
      'current-context': name,
    }),
  }));
}

function named(config: Section, list: string, name: string, field: string): Section {
  const entries = (config[list] ?? []) as { name: string; [field: string]: unknown }[];
  const entry = entries.find((candidate) => candidate.name === name)?.[field];
  if (!isPlainObject(entry)) throw new Error(`the kubeconfig names ${list} ${name}, which it does not have`);
  return entry;
}

const fileFields: Readonly<Record<string, string>> = {
  'certificate-authority': 'certificate-authority-data',
  'client-certificate': 'client-certificate-data',
  'client-key': 'client-key-data',
};

function inlined(section: Section, file: string): Section {
  return Object.fromEntries(
    Object.entries(section).map(([key, value]) => {
      const inlineKey = fileFields[key];
      if (inlineKey)
        return [inlineKey, readFileSync(resolve(dirname(file), String(value))).toString('base64')];
      if (key === 'tokenFile')
        return ['token', readFileSync(resolve(dirname(file), String(value)), 'utf8').trim()];
      return [key, value];
    }),
  );
}
