import { failure, isPlainObject } from '@postern/core';
import { parse, stringify } from 'yaml';

/** A role of IAM, and which group its bearers are in. */
export interface RoleMapping {
  /** `arn:<partition>:iam::<account>:role/<path and name>` */
  readonly roleArn: string;
  readonly group: string;
  readonly username: string;
}

export const InvalidRoleArn = failure(
  'invalid_argument',
  'tctl.invalid_role_arn',
  (arn: string) =>
    `${JSON.stringify(arn.slice(0, 100))} is not the ARN of an IAM role, such as arn:aws:iam::111111111111:role/kube-agents`,
);

export const NoAwsAuth = failure(
  'invalid_argument',
  'tctl.no_aws_auth',
  (why: string) => `this is no ConfigMap aws-auth whose mapRoles can be read: ${why}`,
);

const arnPattern = /^(arn:aws[a-z-]*:iam::\d{12}:role\/)(?:[\w+=,.@-]+\/)*([\w+=,.@-]{1,64})$/;

/** The ARN of a role as aws-auth knows it: without its path, which EKS drops before it looks (aws-iam-authenticator). */
export function mappedArn(arn: string): string {
  const [, start, name] = arnPattern.exec(arn) ?? [];
  if (start === undefined || name === undefined) throw InvalidRoleArn(arn);
  return `${start}${name}`;
}

/** The item of `mapRoles` for a role. */
export function mappingText({ roleArn, group, username }: RoleMapping): string {
  return stringify([{ groups: [group], rolearn: mappedArn(roleArn), username }], { lineWidth: 0 });
}

/**
 * The ConfigMap with the role in it, and everything else as it was: whoever loses the items of nodes loses the nodes. An item of
 * this role is replaced.
 */
export function withMapping(configMap: string, mapping: RoleMapping): string {
  const read = readYaml(configMap);
  const metadata = isPlainObject(read) ? read['metadata'] : undefined;
  if (!isPlainObject(read) || read['kind'] !== 'ConfigMap') throw NoAwsAuth('it is of another kind');
  if (!isPlainObject(metadata) || metadata['name'] !== 'aws-auth') throw NoAwsAuth('it has another name');
  const data = isPlainObject(read['data']) ? read['data'] : {};
  const items = rolesOf(data['mapRoles']);
  const arn = mappedArn(mapping.roleArn);
  const others = items.filter((item) => !isPlainObject(item) || item['rolearn'] !== arn);
  const mapRoles = (others.length > 0 ? stringify(others, { lineWidth: 0 }) : '') + mappingText(mapping);
  const { name, namespace = 'kube-system', labels, annotations } = metadata;
  return stringify(
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      // Without version and owner of the moment it was read, which would only be in the way of applying it.
      metadata: { name, namespace, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
      data: { ...data, mapRoles },
    },
    { lineWidth: 0 },
  );
}

function rolesOf(mapRoles: unknown): readonly unknown[] {
  if (mapRoles === undefined || mapRoles === '') return [];
  const items = typeof mapRoles === 'string' ? readYaml(mapRoles) : undefined;
  if (items === null) return [];
  if (!Array.isArray(items)) throw NoAwsAuth('its mapRoles is no list');
  return items;
}

function readYaml(text: string): unknown {
  try {
    return parse(text, { maxAliasCount: 0 });
  } catch {
    throw NoAwsAuth('it is no YAML');
  }
}
