import type { Eks, EksAs } from '@postern/aws';

/**
 * ARN of the role as which EKS is asked. A session does not tell the path of its role, so that one with a path must be named in the
 * configuration, or have `setup_access_for_arn` beside it.
 */
export async function callerOf(eks: Pick<Eks, 'who'>, as: EksAs): Promise<string> {
  if (as.role) return as.role.arn;
  const { arn } = await eks.who(as);
  const [, partition, account, name] =
    /^arn:([a-z-]+):sts::(\d{12}):assumed-role\/([^/]+)\/[^/]+$/.exec(arn) ?? [];
  return name === undefined ? arn : `arn:${partition}:iam::${account}:role/${name}`;
}
