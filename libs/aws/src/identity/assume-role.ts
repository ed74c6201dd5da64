import { isPlainObject } from '@postern/core';
import type { AwsLine } from '../call/call-aws.ts';
import { AwsMalformed } from '../call/refusals.ts';
import type { AwsCredentials } from '../eks/token.ts';
import type { Environment } from '../region.ts';
import type { ActingAs } from './identities.ts';
import { stsEndpoint } from './sts-endpoint.ts';

interface Deps {
  readonly env: Environment;
  readonly line: AwsLine;
  readonly session: string;
}

const action = 'sts:AssumeRole';
/** The shortest that every role allows for as long as an hour; chained roles get no more anyway. */
const lifeSeconds = 3600;

/** Temporary credentials of a role (STS, AssumeRole), as somebody who may assume it. */
export async function assumeRole(
  { env, line, session }: Deps,
  { role, region }: Required<ActingAs>,
  as: AwsCredentials,
): Promise<AwsCredentials> {
  const { arn, externalId } = role!;
  const where = `${region} (role ${arn})`;
  const parameters = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: arn,
    RoleSessionName: session,
    DurationSeconds: String(lifeSeconds),
    ...(externalId === undefined ? {} : { ExternalId: externalId }),
  });
  const answer = await line.call(
    {
      action,
      where,
      service: 'sts',
      region,
      endpoint: stsEndpoint(env, region),
      method: 'POST',
      path: '/',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: parameters.toString(),
    },
    as,
  );
  const credentials = credentialsIn(answer);
  if (!credentials) throw AwsMalformed(action, where, 'it holds no credentials');
  return credentials;
}

function credentialsIn(answer: unknown): AwsCredentials | undefined {
  const found = ['AssumeRoleResponse', 'AssumeRoleResult', 'Credentials'].reduce<unknown>(
    (value, name) => (isPlainObject(value) ? value[name] : undefined),
    answer,
  );
  if (!isPlainObject(found)) return undefined;
  const [accessKeyId, secretAccessKey, sessionToken] = ['AccessKeyId', 'SecretAccessKey', 'SessionToken'].map(
    (name) => textOf(found[name]),
  );
  const expiration = timeOf(found['Expiration']);
  if (!accessKeyId || !secretAccessKey || !sessionToken || !expiration) return undefined;
  return { accessKeyId, secretAccessKey, sessionToken, expiration };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\x21-\x7e]{1,16384}$/.test(value) ? value : undefined;
}

/** STS writes seconds since 1970 in JSON, and text in XML. */
function timeOf(value: unknown): Date | undefined {
  const ms = typeof value === 'number' ? value * 1000 : Date.parse(String(value));
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? new Date(ms) : undefined;
}
