import type { AwsRule } from '@postern/contracts';
import { parseDuration } from '@postern/core';
import { Type } from 'typebox';
import { joinMethod, type Proved } from '../method.ts';
import { type InstanceIdentity, readIdentityDocument } from './identity-document.ts';
import { defaultTtl, matchingRule, requireFresh, requireSupported } from './instance-rules.ts';

const proof = Type.Object(
  { document: Type.String({ maxLength: 12 * 1024 }) },
  { additionalProperties: false },
);

/**
 * An instance proves what AWS says it is, by the document that its metadata service signs. A start of an instance makes one
 * agent for each system role; after a further start it may join again. Where the rule that lets it in has a role, EC2 is asked in
 * that role whether the instance is there and runs.
 */
export const ec2Method = joinMethod({
  name: 'ec2',
  proof,
  verify: async (
    { clock, ec2: { keyOf, instances } },
    { token: { spec }, roles, sourceIp, proof: { document } },
  ) => {
    requireSupported(roles);
    const identity = readIdentityDocument(document, keyOf);
    const ttl = typeof spec['aws_iid_ttl'] === 'string' ? spec['aws_iid_ttl'] : defaultTtl;
    requireFresh(identity, ttl, clock());
    const rule = matchingRule((spec['allow'] ?? []) as unknown as readonly AwsRule[], identity);
    // The first rule that matches decides: what EC2 says against it is not mended by another one.
    if (rule.aws_role !== undefined)
      await instances.requireRunning(identity, { role: rule.aws_role, sourceIp });
    return { attributes: attributesOf(identity), once: usesOf(identity, roles, ttl) };
  },
});

function attributesOf({ accountId, instanceId, region }: InstanceIdentity): Proved['attributes'] {
  return { aws_account: accountId, aws_instance_id: instanceId, aws_region: region };
}

function usesOf(
  { accountId, instanceId, pendingTime }: InstanceIdentity,
  roles: readonly string[],
  ttl: string,
): NonNullable<Proved['once']> {
  const until = new Date(pendingTime.getTime() + parseDuration(ttl));
  const start = `ec2:${accountId}:${instanceId}:${pendingTime.toISOString()}`;
  return roles.map((role) => ({ proof: `${start}:${role}`, until }));
}
