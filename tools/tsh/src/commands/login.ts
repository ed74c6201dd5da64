import { readFileSync } from 'node:fs';
import { command, optional, text } from '@postern/cli';
import { profileHome, writeProfile } from '@postern/client';
import { failure } from '@postern/core';

const IdentityNeeded = failure(
  'failed_precondition',
  'tsh.identity_needed',
  () =>
    "signing in with a password or single sign-on is not part of this release: have an identity made by 'tctl auth sign --user=NAME --out=FILE' and run 'tsh -i FILE login'",
);

const OtherUser = failure(
  'invalid_argument',
  'tsh.other_user',
  (asked: string, actual: string) => `the identity belongs to ${actual}, not to ${asked}`,
);

export const login = command({
  name: 'login',
  summary: 'Store an identity (-i FILE) as the one to use from now on',
  args: { cluster: optional('The cluster to sign in to') },
  flags: { user: text('--user <name>', 'The user to sign in as') },
  async run(context, { args, flags }) {
    const given = context.global.identity ?? context.env['TELEPORT_IDENTITY_FILE'];
    if (!given) throw IdentityNeeded();
    const identity = await context.identity();
    const { teleportClusterOf } = await import('../clusters/teleport-cluster.ts');
    const me = await (await context.api()).me();
    if (flags.user !== undefined && flags.user !== me.user) throw OtherUser(flags.user, me.user);
    const cluster = await teleportClusterOf(context, args.cluster);
    const pem = readFileSync(identity.located.path, 'utf8');
    const profile = writeProfile(
      profileHome(context.env),
      { proxy: identity.proxy, user: me.user, cluster },
      pem,
    );
    context.terminal.print(
      `Logged in as ${me.user} to ${cluster} at https://${profile.proxy}, until ${identity.notAfter.toISOString()}.`,
    );
  },
});
