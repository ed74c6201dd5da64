import { defineKind, type Resource, type ResourceDocument } from './define-kind.ts';
import { Fields, InvalidResource } from './fields.ts';
import { checkLabels } from './labels.ts';
import { type AwsRule, awsRuleWarnings, readAwsRules } from './token-aws.ts';
import { type KubernetesJoin, readKubernetesJoin } from './token-kubernetes.ts';

/** Methods whose configuration is the block of the same name in a token. */
const blockMethods = [
  'github',
  'circleci',
  'azure',
  'gitlab',
  'gcp',
  'spacelift',
  'tpm',
  'terraform_cloud',
  'bitbucket',
  'oracle',
  'azure_devops',
  'env0',
  'bound_keypair',
] as const;

const joinMethods: readonly string[] = ['token', 'ec2', 'iam', 'kubernetes', ...blockMethods];

/** System roles a token may name, spelt as in documents. */
export const tokenRoles = [
  'Auth',
  'Node',
  'Proxy',
  'Admin',
  'Nop',
  'Kube',
  'App',
  'Db',
  'WindowsDesktop',
  'Bot',
  'Discovery',
  'Okta',
  'Instance',
  'MDM',
  'Trusted_cluster',
  'Signup',
] as const;

/** Who may join, as what, and how they prove it. */
export interface TokenSpec {
  readonly roles: readonly string[];
  readonly join_method: string;
  readonly allow?: readonly AwsRule[];
  readonly aws_iid_ttl?: string;
  readonly bot_name?: string;
  readonly suggested_labels?: Readonly<Record<string, readonly string[]>>;
  readonly suggested_agent_matcher_labels?: Readonly<Record<string, readonly string[]>>;
  readonly kubernetes?: KubernetesJoin;
  readonly integration?: string;
  /** The block of another method, as given. */
  readonly [method: string]: unknown;
}

/** A join token. With the method `token` its name is the secret; other methods prove something else. */
export const tokenKind = defineKind<TokenSpec>({
  kind: 'token',
  plural: 'tokens',
  versions: ['v2'],
  defaultVersion: 'v2',
  secretName: true,
  normalize: normalizeToken,
  warnings: ({ spec }) => (spec.join_method === 'iam' ? awsRuleWarnings(spec.allow ?? []) : []),
});

/** Whether knowing the token's name is enough to join. */
export function hasSecretName(spec: Pick<TokenSpec, 'join_method'>): boolean {
  return spec.join_method === 'token';
}

/** A secret name as it may be shown: short ones as stars, of longer ones the last quarter. */
export function maskedName(name: string): string {
  const hidden = name.length < 16 ? name.length : Math.floor(0.75 * name.length);
  return '*'.repeat(hidden) + name.slice(hidden);
}

/** Whether a text is a masked name, which stands for a token but is not its name. */
export function isMaskedName(name: string): boolean {
  return name.startsWith('*');
}

function normalizeToken(doc: ResourceDocument): Resource<TokenSpec> {
  const spec = new Fields(doc.spec, 'spec');
  const roles = readRoles(spec);
  const botName = readBotName(spec, roles);
  const rules = spec.mappings('allow');
  const method = readMethod(spec, rules.length > 0);
  const given = {
    ...readAwsRules(spec, method, rules),
    ...readBlocks(spec, method),
    bot_name: botName,
    suggested_labels: readLabelLists(spec, 'suggested_labels'),
    suggested_agent_matcher_labels: readLabelLists(spec, 'suggested_agent_matcher_labels'),
    integration: spec.string('integration') || undefined,
  };
  spec.end();
  checkLabels(doc.metadata.labels ?? {});
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...doc, spec: { roles, join_method: method, ...Object.fromEntries(present) } };
}

function readRoles(spec: Fields): string[] {
  const roles = spec.strings('roles') ?? [];
  if (roles.length === 0) throw InvalidResource('provisioning token is missing roles');
  const unknown = roles.find((role) => !(tokenRoles as readonly string[]).includes(role));
  if (unknown !== undefined) throw InvalidResource(`role ${unknown.slice(0, 40)} is not registered`);
  return [...new Set(roles)];
}

function readBotName(spec: Fields, roles: readonly string[]): string | undefined {
  const name = spec.string('bot_name') || undefined;
  const isBot = roles.includes('Bot');
  if (isBot && !name) throw InvalidResource('token with role "Bot" must set bot_name');
  if (!isBot && name) throw InvalidResource('can only set bot_name on token with role "Bot"');
  return name;
}

function readMethod(spec: Fields, hasRules: boolean): string {
  const method = spec.string('join_method') || (hasRules ? 'ec2' : 'token');
  if (!joinMethods.includes(method)) throw InvalidResource(`unknown join method "${method.slice(0, 40)}"`);
  if (method === 'token' && hasRules) {
    throw InvalidResource('allow rules are not compatible with the "token" join method');
  }
  return method;
}

function readBlocks(spec: Fields, method: string): Record<string, unknown> {
  const kubernetes = spec.mapping('kubernetes');
  const blocks = Object.fromEntries(blockMethods.map((name) => [name, blockOf(spec, name)]));
  const isGiven = method === 'kubernetes' ? kubernetes : blocks[method];
  if (!['token', 'ec2', 'iam'].includes(method) && !isGiven) {
    throw InvalidResource(`"${method}" configuration must be provided for the join method "${method}"`);
  }
  return {
    ...blocks,
    kubernetes: method === 'kubernetes' && kubernetes ? readKubernetesJoin(kubernetes) : undefined,
  };
}

/** Kept as it is: the method that reads it knows what it must hold. */
function blockOf(spec: Fields, name: string): Record<string, unknown> | undefined {
  const fields = spec.mapping(name);
  if (!fields || fields.names().length === 0) return undefined;
  return Object.fromEntries(fields.names().map((field) => [field, fields.raw(field)]));
}

function readLabelLists(spec: Fields, name: string): Record<string, string[]> | undefined {
  const fields = spec.mapping(name);
  if (!fields || fields.names().length === 0) return undefined;
  return Object.fromEntries(fields.names().map((key) => [key, textsOf(fields, key)]));
}

/** A list of strings, or one string as a list of one. */
function textsOf(fields: Fields, key: string): string[] {
  const value = fields.raw(key);
  return typeof value === 'string' ? [value] : (fields.strings(key) ?? []);
}
