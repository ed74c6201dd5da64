import { createHash, createHmac } from 'node:crypto';

/** A request as AWS sees it before it knows from whom it is. */
export interface SignableRequest {
  readonly method: string;
  /** As on the request line. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

/** One with text for a body, as all have but those of S3. */
export interface SignedRequest extends SignableRequest {
  readonly body: string;
}

/** A key that AWS gave out. */
export interface IssuedKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expires?: Date;
}

/** Why AWS does not believe a signature: the code of its answer, and its status. */
export interface SignatureFault {
  readonly code: string;
  readonly status: number;
}

interface Expected {
  readonly keys: ReadonlyMap<string, IssuedKey>;
  readonly service: string;
  /** The region whose host was asked; undefined where any region will do. */
  readonly region: string | undefined;
  readonly at: Date;
}

const quarterMs = 15 * 60_000;
const maxPresignedSeconds = 604_800;

const fault = (code: string, status = 403): SignatureFault => ({ code, status });

/** Whose key signed the request by Signature Version 4, in its headers or in its query, or what AWS says against it. */
export function verifySignature(request: SignableRequest, expected: Expected): IssuedKey | SignatureFault {
  const url = new URL(request.target, 'http://aws');
  const claim = url.searchParams.has('X-Amz-Algorithm')
    ? claimInQuery(url.searchParams)
    : claimInHeader(request.headers);
  if ('code' in claim) return claim;
  const [accessKeyId = '', day, region, service, end, ...rest] = claim.credential.split('/');
  if (end !== 'aws4_request' || rest.length > 0) return fault('IncompleteSignature', 400);
  const key = expected.keys.get(accessKeyId);
  if (!key || key.sessionToken !== claim.token) return fault('InvalidClientTokenId');
  if (key.expires && key.expires <= expected.at) return fault('ExpiredToken');
  if (service !== expected.service) return fault('SignatureDoesNotMatch');
  if (expected.region !== undefined && region !== expected.region) return fault('SignatureDoesNotMatch');
  const at = timeOf(claim.date);
  if (at === undefined || day !== claim.date.slice(0, 8)) return fault('SignatureDoesNotMatch');
  const age = expected.at.getTime() - at;
  if (age < -quarterMs || age > lifeOf(claim, expected)) return fault('SignatureDoesNotMatch');
  if (!areRequiredHeadersSigned(request.headers, claim.signedHeaders)) return fault('SignatureDoesNotMatch');
  const scope = { day, region: region!, service };
  const signature = signatureOf(request, { ...claim, url, key, scope });
  return signature === claim.signature ? key : fault('SignatureDoesNotMatch');
}

/** STS takes what is presigned for a quarter of an hour, whatever it says itself. */
function lifeOf({ lifeMs = quarterMs }: Claim, { service }: Expected): number {
  return service === 'sts' ? quarterMs : lifeMs;
}

/** What is signed besides the request itself. */
export interface Signing {
  readonly key: IssuedKey;
  /** As `X-Amz-Date`. */
  readonly date: string;
  readonly region: string;
  readonly service?: string;
  /** All headers where absent. */
  readonly signedHeaders?: readonly string[];
}

/** A request signed in its headers, as a client would; also one that no client would sign like this. */
export function signRequest(request: SignedRequest, signing: Signing): SignedRequest {
  const { key, date, region, service = 'sts' } = signing;
  const token = key.sessionToken === undefined ? {} : { 'x-amz-security-token': key.sessionToken };
  const headers = { ...request.headers, 'x-amz-date': date, ...token };
  const signedHeaders = signing.signedHeaders ?? Object.keys(headers).toSorted();
  const scope = { day: date.slice(0, 8), region, service };
  const url = new URL(request.target, 'http://aws');
  const signature = signatureOf({ ...request, headers }, { url, date, signedHeaders, key, scope });
  const credential = `${key.accessKeyId}/${scope.day}/${region}/${service}/aws4_request`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
  return { ...request, headers: { ...headers, authorization } };
}

interface Scope {
  readonly day: string;
  readonly region: string;
  readonly service: string;
}

interface ToSign extends Pick<Claim, 'date' | 'signedHeaders'> {
  readonly url: URL;
  readonly key: IssuedKey;
  readonly scope: Scope;
}

function signatureOf(request: SignableRequest, { url, date, signedHeaders, key, scope }: ToSign): string {
  const name = `${scope.day}/${scope.region}/${scope.service}/aws4_request`;
  const digest = sha256(canonical(request, { url, signedHeaders, scope }));
  const toSign = ['AWS4-HMAC-SHA256', date, name, digest].join('\n');
  return hmac(signingKey(key, scope), toSign).toString('hex');
}

interface Claim {
  readonly credential: string;
  readonly date: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly token: string | undefined;
  /** Of a presigned URL. */
  readonly lifeMs?: number;
}

function claimInHeader(headers: SignedRequest['headers']): Claim | SignatureFault {
  const { authorization } = headers;
  if (authorization === undefined) return fault('MissingAuthenticationToken');
  const [, credential, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=(\S+), ?SignedHeaders=(\S+), ?Signature=(\S+)$/.exec(authorization) ?? [];
  if (!credential || !names || !signature) return fault('IncompleteSignature', 400);
  return {
    credential,
    signature,
    signedHeaders: names.split(';'),
    date: headers['x-amz-date'] ?? '',
    token: headers['x-amz-security-token'],
  };
}

function claimInQuery(query: URLSearchParams): Claim | SignatureFault {
  const seconds = Number(query.get('X-Amz-Expires'));
  if (!(seconds > 0 && seconds <= maxPresignedSeconds)) return fault('IncompleteSignature', 400);
  return {
    credential: query.get('X-Amz-Credential') ?? '',
    signature: query.get('X-Amz-Signature') ?? '',
    signedHeaders: (query.get('X-Amz-SignedHeaders') ?? '').split(';'),
    date: query.get('X-Amz-Date') ?? '',
    token: query.get('X-Amz-Security-Token') ?? undefined,
    lifeMs: seconds * 1000,
  };
}

/** Host, and every header of Amazon's that is there. */
function areRequiredHeadersSigned(headers: SignedRequest['headers'], signed: readonly string[]): boolean {
  const required = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'));
  return (
    required.every((name) => signed.includes(name)) && signed.every((name) => headers[name] !== undefined)
  );
}

function canonical(
  { method, headers, body }: SignableRequest,
  { url, signedHeaders, scope }: Pick<ToSign, 'url' | 'signedHeaders' | 'scope'>,
): string {
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map((pair) => pair.map(encode).join('='))
    .toSorted();
  const lines = signedHeaders.map((name) => `${name}:${(headers[name] ?? '').trim().replace(/ +/g, ' ')}\n`);
  // Every service but S3 takes the path that was sent, and encodes it once more.
  const path = scope.service === 's3' ? url.pathname : url.pathname.split('/').map(encode).join('/');
  return [method, path, query.join('&'), lines.join(''), signedHeaders.join(';'), sha256(body)].join('\n');
}

function signingKey({ secretAccessKey }: IssuedKey, { day, region, service }: Scope): Buffer {
  return [day, region, service, 'aws4_request'].reduce<Buffer>(
    (key, part) => hmac(key, part),
    Buffer.from(`AWS4${secretAccessKey}`),
  );
}

function timeOf(date: string): number | undefined {
  const text = date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z');
  const at = Date.parse(text);
  return text === date || Number.isNaN(at) ? undefined : at;
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
