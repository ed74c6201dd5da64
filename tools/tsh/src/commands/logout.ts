import { join } from 'node:path';
import { type CliContext, command, text } from '@postern/cli';
import { dataDirOf, profileHome, proxyAddress, readProfiles, removeProfile } from '@postern/client';
import { failure } from '@postern/core';
import { forgetCached } from '../credentials/cache.ts';
import { changeKubeconfig, kubeconfigPath, readKubeconfig } from '../kubeconfig/kubeconfig-file.ts';
import { marksOf } from '../kubeconfig/own-entries.ts';
import { signOutChange } from '../kubeconfig/sign-out.ts';

const ProxyNeeded = failure(
  'invalid_argument',
  'tsh.logout_proxy_needed',
  () => 'with --user, --proxy must say from which proxy to sign out',
);

export const logout = command({
  name: 'logout',
  summary: 'Forget stored identities and credentials, and take their clusters out of the kubeconfig',
  args: {},
  flags: { user: text('--user <name>', 'Sign out this user only') },
  async run(context, { flags }) {
    const chosen = context.global.proxy === undefined ? undefined : proxyAddress(context.global.proxy);
    if (flags.user !== undefined && chosen === undefined) throw ProxyNeeded();
    const home = profileHome(context.env);
    const profiles = readProfiles(home).filter(
      ({ proxy, user }) => (chosen ?? proxy) === proxy && (flags.user ?? user) === user,
    );
    const isNobody = flags.user !== undefined && profiles.length === 0;
    const forgotten = isNobody ? new Set<string>() : forgetCredentials(context, chosen);
    const proxies = new Set([...profiles.map(({ proxy }) => proxy), ...forgotten]);
    const current = isNobody ? undefined : (chosen ?? (await activeProxy(context)));
    if (current !== undefined) proxies.add(current);
    for (const { proxy } of profiles) removeProfile(home, proxy);
    const isCleaned = await cleanKubeconfig(context, proxies);
    const isDone = profiles.length > 0 || forgotten.size > 0 || isCleaned;
    context.terminal.print(message({ isDone, proxy: chosen, user: flags.user ?? profiles[0]?.user }));
  },
});

/** Removes cached keys and certificates; returns the proxies they were for. */
function forgetCredentials({ env, cwd }: CliContext, proxy: string | undefined): Set<string> {
  const folders = [join(profileHome(env), 'credentials'), join(dataDirOf(env, cwd), 'tsh')];
  return new Set(folders.flatMap((folder) => [...forgetCached(folder, proxy)]));
}

/** Clusters of the identity in use go out of the kubeconfig even if kubectl never fetched a credential for them. */
async function activeProxy(context: CliContext): Promise<string | undefined> {
  try {
    return (await context.identity()).proxy;
  } catch {
    return undefined;
  }
}

async function cleanKubeconfig({ env, cwd }: CliContext, proxies: ReadonlySet<string>): Promise<boolean> {
  const path = kubeconfigPath(env, cwd);
  const isOurs = readKubeconfig(path).contexts.some((entry) => proxies.has(marksOf(entry)?.profile ?? ''));
  if (isOurs) await changeKubeconfig(path, (now) => signOutChange(now, proxies));
  return isOurs;
}

interface Outcome {
  readonly isDone: boolean;
  readonly proxy: string | undefined;
  readonly user: string | undefined;
}

function message({ isDone, proxy, user }: Outcome): string {
  if (!isDone) return 'All users logged out.';
  if (proxy === undefined) return 'Logged out all users from all proxies.';
  return user === undefined
    ? `Logged out from ${JSON.stringify(proxy)}.`
    : `Logged out ${JSON.stringify(user)} from ${JSON.stringify(proxy)}.`;
}
