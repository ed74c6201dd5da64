import { generateKeyPairSync, sign } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { AwsRig, AwsRole } from '@postern/testkit';

const issuer = 'https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE';
const sub = 'system:serviceaccount:teleport-agent:teleport-kube-agent-sa';

/** A token of a service account as EKS puts it into pods, for which the role is assumed. Gives the variables that lead to it. */
export async function webIdentity(aws: AwsRig, role: AwsRole, file: string): Promise<Record<string, string>> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  aws.issuers.set(issuer, { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] });
  aws.accounts.roles.set(role.arn, { ...role, trusts: (claims) => claims['sub'] === sub });
  const parts = [
    { alg: 'RS256', kid: 'k' },
    { iss: issuer, sub, aud: 'sts.amazonaws.com', exp: Math.floor(Date.now() / 1000) + 600 },
  ].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  const signature = sign('sha256', Buffer.from(parts.join('.')), privateKey).toString('base64url');
  await writeFile(file, [...parts, signature].join('.'));
  return { AWS_ROLE_ARN: role.arn, AWS_WEB_IDENTITY_TOKEN_FILE: file, AWS_ROLE_SESSION_NAME: 'pod' };
}
