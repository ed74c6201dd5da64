import { command, type CliContext, formatOf, jsonText, on, textOr, yamlText } from '@postern/cli';
import { IdentityExpired, type OpenIdentity, profileHome, readProfiles } from '@postern/client';
import { failure, formatDuration } from '@postern/core';
import { kubeconfigPath, readKubeconfig } from '../kubeconfig/kubeconfig-file.ts';
import { selectedMarks } from '../kubeconfig/own-entries.ts';

const ProfileExpired = failure(
  'unauthenticated',
  'tsh.profile_expired',
  (path: string) => `Active profile expired. Sign in again, or replace the identity ${path}`,
);

export const status = command({
  name: 'status',
  summary: 'Show who you are signed in as',
  args: {},
  flags: {
    format: textOr('text', '-f, --format <format>', 'text, json or yaml'),
    verbose: on('-v, --verbose', 'Show traits too'),
  },
  async run(context, { flags }) {
    const format = formatOf(flags.format, ['text', 'json', 'yaml']);
    const identity = await activeIdentity(context);
    const active = await describe(context, identity);
    const { terminal } = context;
    const value = { active, profiles: otherProfiles(context, identity) };
    if (format === 'json') terminal.write(jsonText(value));
    else if (format === 'yaml') terminal.write(await yamlText([value]));
    else terminal.print(statusText(active, { verbose: flags.verbose, now: context.clock() }));
  },
});

function activeIdentity(context: CliContext): Promise<OpenIdentity> {
  return context.identity().catch((error: unknown) => {
    throw IdentityExpired.is(error) ? ProfileExpired.from(error, context.locate().path) : error;
  });
}

type Active = Awaited<ReturnType<typeof describe>>;

async function describe(context: CliContext, identity: OpenIdentity) {
  const me = await (await context.api()).me();
  return {
    profile_url: `https://${identity.proxy}`,
    username: me.user,
    active_requests: [],
    cluster: me.clusterName,
    roles: me.roles,
    traits: me.traits,
    logins: me.traits['logins'] ?? [],
    kubernetes_enabled: true,
    kubernetes_cluster: selectedCluster(context, identity.proxy),
    kubernetes_users: me.kubernetesUsers,
    kubernetes_groups: me.kubernetesGroups,
    databases: [],
    valid_until: identity.notAfter.toISOString().replace(/\.\d+Z$/, 'Z'),
    extensions: [],
  };
}

function selectedCluster({ env, cwd }: CliContext, proxy: string): string {
  try {
    const marks = selectedMarks(readKubeconfig(kubeconfigPath(env, cwd)));
    return marks?.profile === proxy ? marks.kubeCluster : '';
  } catch {
    return '';
  }
}

function otherProfiles({ env }: CliContext, { proxy }: OpenIdentity): object[] {
  const others = readProfiles(profileHome(env)).filter((profile) => profile.proxy !== proxy);
  return others.map(({ proxy: address, user, cluster }) => ({
    profile_url: `https://${address}`,
    username: user,
    cluster,
  }));
}

interface TextOptions {
  readonly verbose: boolean;
  readonly now: Date;
}

function statusText(active: Active, { verbose, now }: TextOptions): string {
  const left = Date.parse(active.valid_until) - now.getTime();
  const traits = Object.entries(active.traits).map(([name, values]) => `${name}: ${values.join(', ')}`);
  const rows: [string, string][] = [
    ['Profile URL', active.profile_url],
    ['Logged in as', active.username],
    ['Cluster', active.cluster],
    ['Roles', active.roles.join(', ')],
    ['Traits', verbose ? traits.join('; ') : ''],
    ['Logins', active.logins.join(', ')],
    ['Kubernetes', active.kubernetes_enabled ? 'enabled' : 'disabled'],
    ['Kubernetes cluster', active.kubernetes_cluster && JSON.stringify(active.kubernetes_cluster)],
    ['Kubernetes users', active.kubernetes_users.join(', ')],
    ['Kubernetes groups', active.kubernetes_groups.join(', ')],
    [
      'Valid until',
      `${active.valid_until} ${left > 0 ? `[valid for ${formatDuration(left)}]` : '[EXPIRED]'}`,
    ],
  ];
  const shown = rows.filter(([, value]) => value !== '');
  const width = Math.max(...shown.map(([title]) => title.length)) + 2;
  return shown
    .map(([title, value], at) => `${at === 0 ? '> ' : '  '}${`${title}:`.padEnd(width)}${value}`)
    .join('\n');
}
