import { kubeServer } from '@postern/client';
import { isPlainObject } from '@postern/core';
import type { Entry, Kubeconfig, ListName } from './kubeconfig.ts';

/** The extensions by which entries of ours are known again. */
const extensionNames = {
  kubeCluster: 'teleport.kube.name',
  teleportCluster: 'kubeconfig.teleport.dev/teleport-cluster-name',
  profile: 'kubeconfig.teleport.dev/profile-name',
  previousContext: 'teleport-prev-selec-ctx',
} as const;

/** What the marks on an entry of ours say. */
export interface Marks {
  readonly kubeCluster: string;
  readonly teleportCluster: string;
  /** `host:port` of the proxy. */
  readonly profile: string;
  /** The context that was selected before this one, to go back to on logout. */
  readonly previousContext?: string | undefined;
}

/** How kubectl calls tsh for a credential. */
export interface CredentialCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** A context of ours with everything that belongs to it. */
export interface OwnContext {
  readonly name: string;
  readonly marks: Marks;
  readonly caPem: string;
  readonly namespace?: string | undefined;
  readonly credential: CredentialCommand;
}

/** The cluster, user and context entries of a context, all three of one name. */
export function entriesOf(own: OwnContext): Record<ListName, Entry> {
  const { name, marks, namespace } = own;
  const { kubeCluster, teleportCluster, profile } = marks;
  const extensions = extensionsOf({ kubeCluster, teleportCluster, profile });
  const server = kubeServer({ proxy: profile, teleportCluster, kubeCluster });
  const cluster = {
    'certificate-authority-data': Buffer.from(own.caPem).toString('base64'),
    extensions,
    server,
  };
  const context = {
    cluster: name,
    extensions: extensionsOf(marks),
    ...(namespace === undefined ? {} : { namespace }),
    user: name,
  };
  return {
    clusters: { cluster, name },
    users: { name, user: { exec: execOf(own.credential), extensions } },
    contexts: { context, name },
  };
}

function execOf({ program, args, env }: CredentialCommand): Record<string, unknown> {
  return {
    apiVersion: 'client.authentication.k8s.io/v1beta1',
    args,
    command: program,
    env: Object.entries(env).map(([name, value]) => ({ name, value })),
    interactiveMode: 'Never',
    // Lets the called program see for which server it is asked, and refuse any other.
    provideClusterInfo: true,
  };
}

function extensionsOf(marks: Marks): { extension: string; name: string }[] {
  return (Object.keys(extensionNames) as (keyof Marks)[]).flatMap((key) => {
    const extension = marks[key];
    return extension === undefined ? [] : [{ extension, name: extensionNames[key] }];
  });
}

/** The marks of an entry, or undefined where it is somebody else's. */
export function marksOf(entry: Entry | undefined): Marks | undefined {
  const content = entry?.['context'] ?? entry?.['cluster'] ?? entry?.['user'];
  const listed =
    isPlainObject(content) && Array.isArray(content['extensions'])
      ? (content['extensions'] as unknown[])
      : [];
  const values = new Map(listed.filter(isPlainObject).map(({ name, extension }) => [name, extension]));
  const text = (key: keyof Marks) => {
    const value = values.get(extensionNames[key]);
    return typeof value === 'string' ? value : undefined;
  };
  const [kubeCluster, teleportCluster, profile] = [
    text('kubeCluster'),
    text('teleportCluster'),
    text('profile'),
  ];
  if (kubeCluster === undefined || teleportCluster === undefined || profile === undefined) return undefined;
  return { kubeCluster, teleportCluster, profile, previousContext: text('previousContext') };
}

/** The namespace that a context of this name has now. */
export function namespaceOf(config: Kubeconfig, name: string): string | undefined {
  const context = config.contexts.find((entry) => entry.name === name)?.['context'];
  const namespace = isPlainObject(context) ? context['namespace'] : undefined;
  return typeof namespace === 'string' && namespace !== '' ? namespace : undefined;
}

/** The marks of the selected context, if it is one of ours. */
export function selectedMarks(config: Kubeconfig): Marks | undefined {
  return marksOf(config.contexts.find(({ name }) => name === config.currentContext));
}
