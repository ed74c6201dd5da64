import type { AwsAccounts, AwsPrincipal } from './accounts.ts';
import { type IssuedKey, type SignedRequest, verifySignature } from './signature.ts';
import { type KeySet, readWebIdentity } from './web-identity.ts';

/** What STS knows. */
export interface StsState {
  readonly accounts: AwsAccounts;
  /** Key sets of OpenID providers by issuer. */
  readonly issuers: ReadonlyMap<string, KeySet>;
  readonly clock: () => Date;
}

/** An answer of STS, before it has a form. */
export interface StsAnswer {
  readonly status: number;
  readonly action: string;
  /** Result by name; of an error its `Code` and `Message`. */
  readonly result: Readonly<Record<string, unknown>>;
}

/** What the real STS answers to a request. */
export function answerAsSts(request: SignedRequest, state: StsState): StsAnswer {
  const { searchParams } = new URL(request.target, 'http://sts');
  const parameters = new Map([...searchParams, ...new URLSearchParams(request.body)]);
  const action = parameters.get('Action') ?? '';
  // A token of somebody else's making needs no signature of ours.
  if (action === 'AssumeRoleWithWebIdentity') return withWebIdentity(parameters, state);
  const signer = verifySignature(request, {
    keys: state.accounts.keys,
    service: 'sts',
    region: regionOf(request.headers['host'] ?? ''),
    at: state.clock(),
  });
  if ('code' in signer) return failed(action, signer.code, signer.status);
  const as = state.accounts.ownerOf(signer);
  if (action === 'GetCallerIdentity') return { status: 200, action, result: told(as) };
  if (action === 'AssumeRole') return assumeRole(parameters, as, state);
  return failed(action, 'InvalidAction', 400);
}

function assumeRole(
  parameters: ReadonlyMap<string, string>,
  by: AwsPrincipal,
  { accounts }: StsState,
): StsAnswer {
  const role = accounts.roles.get(parameters.get('RoleArn') ?? '');
  const isTrusted = role?.trustsPrincipal?.(by) ?? true;
  // Who does not ask for an id may be told one; who asks for one must be told that.
  const isKnown = role?.externalId === undefined || role.externalId === parameters.get('ExternalId');
  if (!role || !isTrusted || !isKnown) return failed('AssumeRole', 'AccessDenied', 403);
  const { key, as } = accounts.assume(role, parameters.get('RoleSessionName') ?? 'session');
  return { status: 200, action: 'AssumeRole', result: credentialsOf(key, as) };
}

function withWebIdentity(parameters: ReadonlyMap<string, string>, state: StsState): StsAnswer {
  const action = 'AssumeRoleWithWebIdentity';
  const role = state.accounts.roles.get(parameters.get('RoleArn') ?? '');
  const claims = readWebIdentity(parameters.get('WebIdentityToken') ?? '', state.issuers, state.clock());
  if (!claims) return failed(action, 'InvalidIdentityToken', 400);
  if (!role?.trusts?.(claims)) return failed(action, 'AccessDenied', 403);
  const { key, as } = state.accounts.assume(role, parameters.get('RoleSessionName') ?? 'session');
  return { status: 200, action, result: credentialsOf(key, as) };
}

function credentialsOf(key: IssuedKey, { arn, userId }: AwsPrincipal) {
  return {
    Credentials: {
      AccessKeyId: key.accessKeyId,
      SecretAccessKey: key.secretAccessKey,
      SessionToken: key.sessionToken,
      Expiration: key.expires?.toISOString().replace('.000', ''),
    },
    AssumedRoleUser: { Arn: arn, AssumedRoleId: userId },
  };
}

function told({ account, arn, userId }: AwsPrincipal) {
  return { Account: account, Arn: arn, UserId: userId };
}

function failed(action: string, Code: string, status: number): StsAnswer {
  return { status, action, result: { Type: 'Sender', Code, Message: `${Code} was the matter` } };
}

/** The region that a host is in; on an address of this machine any region will do. */
function regionOf(host: string): string | undefined {
  if (host === 'sts.amazonaws.com') return 'us-east-1';
  return /^sts(?:-fips)?\.([a-z0-9-]+)\.[a-z0-9.-]+$/.exec(host)?.[1];
}

/** The answer as a body: JSON for whoever asks for it, otherwise XML. */
export function formatAnswer(
  { status, action, result }: StsAnswer,
  accept = '',
): { type: string; text: string } {
  const RequestId = '00000000-0000-4000-8000-000000000000';
  const isError = status !== 200;
  if (accept.includes('application/json')) {
    const body = isError
      ? { Error: result, RequestId }
      : {
          [`${action}Response`]: { [`${action}Result`]: result, ResponseMetadata: { RequestId } },
        };
    return { type: 'application/json', text: JSON.stringify(body) };
  }
  const inner = isError
    ? `<Error>${xml(result)}</Error><RequestId>${RequestId}</RequestId>`
    : `<${action}Result>${xml(result)}</${action}Result><ResponseMetadata><RequestId>${RequestId}</RequestId></ResponseMetadata>`;
  const root = isError ? 'ErrorResponse' : `${action}Response`;
  return {
    type: 'text/xml',
    text: `<${root} xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${inner}</${root}>`,
  };
}

function xml(value: unknown): string {
  if (typeof value !== 'object' || value === null)
    return String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return Object.entries(value)
    .filter(([, inner]) => inner !== undefined)
    .flatMap(([name, inner]) => [inner].flat().map((each) => `<${name}>${xml(each)}</${name}>`))
    .join('');
}
