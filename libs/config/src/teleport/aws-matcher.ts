import { Fields, type LabelPatterns } from '@postern/contracts';
import { InvalidTeleportYaml, readFlag, readPatterns, textsOf } from './section.ts';

/** What to look for in AWS. */
export interface AwsMatcher {
  readonly types: readonly string[];
  /** `*` alone means every region of the account. */
  readonly regions: readonly string[];
  readonly tags: LabelPatterns;
  readonly assumeRoleArn: string | undefined;
  readonly externalId: string | undefined;
  readonly setupAccessForArn: string | undefined;
  readonly kubeAppDiscovery: boolean;
  readonly integration: string | undefined;
}

const supportedTypes = [
  'ec2',
  'eks',
  'rds',
  'rdsproxy',
  'redshift',
  'redshift-serverless',
  'elasticache',
  'elasticache-serverless',
  'memorydb',
  'opensearch',
  'docdb',
];

/** Types whose matchers may carry an external id without a role. */
const typesWithoutRole = new Set(['redshift-serverless', 'opensearch', 'docdb']);

const regionPattern = /^[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}$/;
const roleArnPattern = /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,576}$/;

/** Reads one item of `aws`, from a file or a discovery_config, and checks it in the order its users know. */
export function readAwsMatcher(source: unknown, path: string): AwsMatcher {
  const fields = new Fields(source, path);
  const types = textsOf(fields, 'types');
  const regions = textsOf(fields, 'regions');
  checkTypes(types);
  checkRegions(regions);
  const role = readRole(fields, types);
  const setupAccessForArn = readSetupAccess(fields, types);
  const tags = readPatterns(fields, 'tags');
  const matcher = {
    types,
    regions,
    tags: Object.keys(tags).length === 0 ? { '*': ['*'] } : tags,
    ...role,
    setupAccessForArn,
    kubeAppDiscovery: readFlag(fields, 'kube_app_discovery', true),
    integration: fields.string('integration') || undefined,
  };
  // How machines and databases are enrolled: Postern finds clusters only.
  fields.ignore('install', 'ssm');
  fields.end();
  return matcher;
}

function checkTypes(types: readonly string[]): void {
  const unknown = types.find((type) => !supportedTypes.includes(type));
  if (unknown !== undefined) {
    const known = `supported resource types are: [${supportedTypes.join(' ')}]`;
    throw InvalidTeleportYaml(`discovery service type does not support ${quoted(unknown)}, ${known}`);
  }
  if (types.length === 0) throw InvalidTeleportYaml('discovery service requires at least one type');
}

function checkRegions(regions: readonly string[]): void {
  if (regions.length === 0) throw InvalidTeleportYaml('discovery service requires at least one region');
  if (regions.includes('*') && regions.length > 1) {
    throw InvalidTeleportYaml('when using "*" as region, no other regions can be specified');
  }
  const unknown = regions.find((region) => region !== '*' && !regionPattern.test(region));
  if (unknown !== undefined)
    throw InvalidTeleportYaml(`discovery service does not support region ${quoted(unknown)}`);
}

function readRole(
  fields: Fields,
  types: readonly string[],
): Pick<AwsMatcher, 'assumeRoleArn' | 'externalId'> {
  const assumeRoleArn = fields.string('assume_role_arn') || undefined;
  const externalId = fields.string('external_id') || undefined;
  if (assumeRoleArn !== undefined && !roleArnPattern.test(assumeRoleArn)) {
    throw InvalidTeleportYaml(`invalid assume role: ${quoted(assumeRoleArn)} is not the ARN of an IAM role`);
  }
  if (
    assumeRoleArn === undefined &&
    externalId !== undefined &&
    !types.every((type) => typesWithoutRole.has(type))
  ) {
    throw InvalidTeleportYaml(
      `discovery service AWS matcher assume_role_arn is empty, but has external_id ${quoted(externalId)}`,
    );
  }
  return { assumeRoleArn, externalId };
}

function readSetupAccess(fields: Fields, types: readonly string[]): string | undefined {
  const arn = fields.string('setup_access_for_arn') || undefined;
  if (arn === undefined) return undefined;
  if (!types.includes('eks')) {
    throw InvalidTeleportYaml('discovery service AWS matcher setup_access_for_arn is only supported for eks');
  }
  if (!roleArnPattern.test(arn)) {
    throw InvalidTeleportYaml(`invalid setup access for ARN: ${quoted(arn)} is not the ARN of an IAM role`);
  }
  return arn;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
