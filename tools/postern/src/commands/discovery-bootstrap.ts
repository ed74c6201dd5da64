import { resolve } from 'node:path';
import { attachPolicy, type PolicyHolder, stsHostOf } from '@postern/aws';
import {
  type CliContext,
  command,
  jsonText,
  list,
  on,
  readTextFile,
  text,
  textOr,
  UsageError,
} from '@postern/cli';
import { discoveryPolicy, type PolicyScope } from '../discovery/iam-policy.ts';

/** What a configuration says that a policy depends on. */
type Sought = Pick<PolicyScope, 'regions' | 'assumedRoles'>;

export const discoveryBootstrap = command({
  name: 'discovery bootstrap',
  summary: 'Print the IAM policy that the Discovery Service needs, or make and attach it',
  args: {},
  flags: {
    config: text('-c, --config <file>', 'Narrow the policy to what this teleport.yaml looks for'),
    regions: list('--region <regions>', 'Narrow it to these regions'),
    accounts: list('--account <ids>', 'Narrow it to these accounts'),
    withoutAccess: on('--without-access', 'Only find clusters: access to them is set up by somebody else'),
    policyName: textOr('TeleportEKSDiscovery', '--policy-name <name>', 'Name of the managed policy'),
    role: text('--attach-to-role <name>', 'Make the policy and attach it to this role'),
    user: text('--attach-to-user <name>', 'Make the policy and attach it to this user'),
    manual: on('--manual', 'Print only, whatever it is to be attached to'),
    confirm: on('--confirm', 'Make and attach it without asking'),
  },
  async run(context, { flags }) {
    const sought = flags.config === undefined ? nothing : await readSought(context, flags.config);
    const regions = flags.regions ?? sought.regions;
    const policy = discoveryPolicy({
      partition: partitionOf(regions),
      regions,
      accounts: flags.accounts ?? [],
      managesAccess: !flags.withoutAccess,
      assumedRoles: sought.assumedRoles,
    });
    const holder = holderOf(flags);
    if (!holder || flags.manual) return context.terminal.write(jsonText(policy));
    context.terminal.note(jsonText(policy).trimEnd());
    if (!flags.confirm) await confirm(context, flags.policyName, holder);
    const region = regions[0] ?? context.env['AWS_REGION'] ?? 'us-east-1';
    const { done } = await attachPolicy(flags.policyName, policy, { ...holder, region });
    for (const sentence of done) context.terminal.print(sentence);
  },
});

const nothing: Sought = { regions: [], assumedRoles: [] };

async function readSought({ cwd }: CliContext, path: string): Promise<Sought> {
  const { readTeleportYaml } = await import('@postern/config');
  const { discovery } = readTeleportYaml(readTextFile(resolve(cwd, path)));
  const matchers = discovery.aws.filter(({ types }) => types.includes('eks'));
  const regions = new Set(matchers.flatMap((matcher) => matcher.regions));
  return {
    regions: regions.has('*') ? [] : [...regions].toSorted(),
    assumedRoles: [...new Set(matchers.flatMap(({ assumeRoleArn }) => assumeRoleArn ?? []))],
  };
}

function partitionOf(regions: readonly string[]): string {
  const partitions = new Set(regions.map((region) => stsHostOf(region)?.partition ?? 'aws'));
  if (partitions.size > 1) throw UsageError('a policy is for one partition: give its regions only');
  return [...partitions][0] ?? 'aws';
}

function holderOf(flags: {
  readonly role: string | undefined;
  readonly user: string | undefined;
}): PolicyHolder | undefined {
  if (flags.role !== undefined && flags.user !== undefined)
    throw UsageError('only --attach-to-role or --attach-to-user can be set, not both');
  if (flags.role !== undefined) return { kind: 'role', name: flags.role };
  return flags.user === undefined ? undefined : { kind: 'user', name: flags.user };
}

async function confirm({ terminal }: CliContext, name: string, holder: PolicyHolder): Promise<void> {
  if (!terminal.isInteractive)
    throw UsageError('nobody can be asked here: repeat with --confirm, or --manual');
  const answer = await terminal.ask(`Attach policy ${name} to the ${holder.kind} ${holder.name}? [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw UsageError('nothing was changed');
}
