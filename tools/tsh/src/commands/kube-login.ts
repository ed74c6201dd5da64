import { type CliContext, command, on, optional, text, textOr } from '@postern/cli';
import { type Api, type OpenIdentity, proxyAddress } from '@postern/client';
import { failure } from '@postern/core';
import { checkName, type Cluster, clusterNamed, matching, NoClusters } from '../clusters/find-clusters.ts';
import { teleportClusterOf } from '../clusters/teleport-cluster.ts';
import { checkContextName, contextName, defaultContextName } from '../kubeconfig/context-name.ts';
import { changeKubeconfig, kubeconfigPath } from '../kubeconfig/kubeconfig-file.ts';
import type { CredentialCommand, OwnContext } from '../kubeconfig/own-entries.ts';
import { signInChange } from '../kubeconfig/sign-in.ts';

const ClusterNameNeeded = failure(
  'invalid_argument',
  'tsh.cluster_name_needed',
  () => "kube-cluster name is required. Check 'tsh kube ls' for a list of available clusters.",
);

const NoKubernetesAccess = failure(
  'permission_denied',
  'tsh.no_kubernetes_access',
  () =>
    "Your user's roles do not allow Kubernetes access: none of them sets kubernetes_groups or kubernetes_users. Ask an administrator to add one that does.",
);

export const kubeLogin = command({
  name: 'kube login',
  summary: 'Point kubectl at a Kubernetes cluster',
  args: { name: optional('Name of the cluster, as tsh kube ls shows it') },
  flags: {
    cluster: text('-c, --cluster <name>', 'The cluster it is reached through'),
    labels: text('--labels <labels>', 'Choose by labels: key=value,key2=value2'),
    all: on('--all', 'Make a context for every cluster'),
    namespace: text('-n, --kube-namespace <name>', 'Default namespace of the context'),
    contextName: textOr(defaultContextName, '--set-context-name <template>', 'How contexts are named'),
  },
  async run(context, { args, flags }) {
    checkContextName(flags.contextName, flags.all);
    if (args.name === undefined && !flags.all && flags.labels === undefined) throw ClusterNameNeeded();
    const api = await context.api();
    const teleportCluster = checkName(await teleportClusterOf(context, flags.cluster));
    const chosen = await choose(api, { name: args.name, labels: flags.labels, all: flags.all });
    await refuseWithoutPrincipals(api);
    const identity = await context.identity();
    const make = (kubeCluster: string): OwnContext => ({
      name: contextName(flags.contextName, { teleportCluster, kubeCluster }),
      marks: { kubeCluster, teleportCluster, profile: identity.proxy },
      caPem: identity.caPem,
      namespace: flags.namespace,
      credential: credentialCommand(context, identity, { kubeCluster, teleportCluster }),
    });
    const selected = chosen.selected === undefined ? undefined : make(chosen.selected).name;
    const contexts = chosen.names.map(make);
    await changeKubeconfig(kubeconfigPath(context.env, context.cwd), (now) =>
      signInChange(now, contexts, selected),
    );
    context.terminal.print(message(chosen.selected));
  },
});

interface Choice {
  readonly names: readonly string[];
  /** The cluster whose context becomes the current one. */
  readonly selected?: string;
}

interface Asked {
  readonly name: string | undefined;
  readonly labels: string | undefined;
  readonly all: boolean;
}

async function choose(api: Api, { name, labels, all }: Asked): Promise<Choice> {
  const clusters = matching(await api.inventory.clusters(), { labels });
  const namesOf = (some: readonly Cluster[]) => some.map((cluster) => checkName(cluster.name));
  const named = name === undefined ? undefined : checkName(clusterNamed(clusters, name).name);
  if (!all && named !== undefined) return { names: [named], selected: named };
  if (clusters.length === 0) throw NoClusters();
  const [only, ...others] = namesOf(clusters);
  if (!all && only !== undefined && others.length === 0) return { names: [only], selected: only };
  if (!all) throw ClusterNameNeeded();
  return { names: namesOf(clusters), ...(named === undefined ? {} : { selected: named }) };
}

/** Better told now than by a refusal of every kubectl call. */
async function refuseWithoutPrincipals(api: Api): Promise<void> {
  const { kubernetesUsers, kubernetesGroups } = await api.me();
  if (kubernetesUsers.length === 0 && kubernetesGroups.length === 0) throw NoKubernetesAccess();
}

interface Target {
  readonly kubeCluster: string;
  readonly teleportCluster: string;
}

/** Names the identity by absolute path and the folder of its cache, so that it works from any folder and shell. */
function credentialCommand(context: CliContext, identity: OpenIdentity, target: Target): CredentialCommand {
  const { path, stateVariable } = identity.located;
  const args = [
    'kube',
    'credentials',
    `--kube-cluster=${target.kubeCluster}`,
    `--teleport-cluster=${target.teleportCluster}`,
    `--proxy=${proxyAddress(identity.proxy)}`,
    `--identity=${path}`,
    ...(context.global.insecure ? ['--insecure'] : []),
  ];
  return { program: context.program, args, env: { [stateVariable.name]: stateVariable.value } };
}

function message(selected: string | undefined): string {
  return selected === undefined
    ? "Created kubeconfig with every Kubernetes cluster available. Select a context and try 'kubectl version' to test the connection."
    : `Logged into Kubernetes cluster ${JSON.stringify(selected)}. Try 'kubectl version' to test the connection.`;
}
