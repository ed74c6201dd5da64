import { type StsHost, stsHostNamed } from '@postern/aws';
import { callerIdentity, signedHeadersOf } from '@postern/contracts';
import { type Static, Type } from 'typebox';
import { ProofRefused } from '../method.ts';

/** The request that a joiner signed, as it wrote it. */
export const SignedRequest = Type.Object(
  {
    method: Type.String({ maxLength: 10 }),
    url: Type.String({ maxLength: 200 }),
    /** Pairs, so that a name that is there twice shows. */
    headers: Type.Array(
      Type.Tuple([Type.String({ maxLength: 100 }), Type.String({ minLength: 1, maxLength: 8192 })]),
      { maxItems: 16 },
    ),
    body: Type.String({ maxLength: 4096 }),
  },
  { additionalProperties: false },
);
export type SignedRequest = Static<typeof SignedRequest>;

/** What there is to a signed `GetCallerIdentity` that is not the same in all of them. */
export interface CallerProof {
  readonly host: StsHost;
  readonly accessKeyId: string;
  /** As in `X-Amz-Date`. */
  readonly date: string;
  /** Lower-case hex. */
  readonly signature: string;
  /** Of temporary credentials. */
  readonly token?: string;
}

interface Expected {
  readonly challenge: string;
  /** Digest of the request to join. */
  readonly request: string;
  readonly at: Date;
  /** Whether only hosts that are validated by FIPS 140 will do. */
  readonly isFipsOnly: boolean;
}

/**
 * Reads the facts out of a signed request. Whatever a joiner could choose that is not one of these facts must be exactly what it is
 * always; so the request that is sent can be built from the facts, and is the one that was signed.
 */
export function readSignedRequest(
  signed: SignedRequest,
  { challenge, request, at, isFipsOnly }: Expected,
): CallerProof {
  const host = readUrl(signed);
  if (isFipsOnly && !host.isFips)
    throw refused('the URL', 'is not that of a FIPS host, and only those will do');
  const headers = readHeaders(signed.headers);
  demand(headers, 'host', host.host);
  demand(headers, 'accept', callerIdentity.accept);
  demand(headers, 'content-type', callerIdentity.contentType);
  demand(headers, callerIdentity.challengeHeader, challenge);
  demand(headers, callerIdentity.requestHeader, request);
  const date = readDate(headers.get('x-amz-date') ?? '', at);
  const token = headers.get('x-amz-security-token');
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw refused('X-Amz-Security-Token', 'is malformed');
  const hasToken = token !== undefined;
  const credential = readAuthorization(headers.get('authorization') ?? '', { host, date, hasToken });
  return { host, date, ...credential, ...(hasToken ? { token } : {}) };
}

function readUrl({ method, url, body }: SignedRequest): StsHost {
  if (method !== callerIdentity.method) throw refused('the method', `must be ${callerIdentity.method}`);
  if (body !== callerIdentity.body) throw refused('the body', 'is not that of GetCallerIdentity');
  const [, name = ''] = /^https:\/\/([a-z0-9.-]+)\/$/.exec(url) ?? [];
  const host = stsHostNamed(name);
  if (!host) throw refused('the URL', 'is not https://<an STS host of AWS>/');
  return host;
}

const known = new Set([...signedHeadersOf({ hasToken: true }), 'authorization', 'content-length']);

function readHeaders(pairs: SignedRequest['headers']): Map<string, string> {
  const headers = new Map<string, string>();
  for (const [name, value] of pairs) {
    const lower = name.toLowerCase();
    if (!known.has(lower)) throw refused('a header', 'is none of those that are signed');
    if (headers.has(lower)) throw refused(lower, 'is there twice');
    headers.set(lower, value);
  }
  const length = headers.get('content-length') ?? String(callerIdentity.body.length);
  if (length !== String(callerIdentity.body.length))
    throw refused('Content-Length', 'is not that of the body');
  return headers;
}

function demand(headers: ReadonlyMap<string, string>, name: string, value: string): void {
  const found = headers.get(name);
  if (found === undefined) throw refused(name, 'is missing');
  if (found !== value) throw refused(name, 'is not what it must be');
}

const minuteMs = 60_000;
/** AWS takes signatures of a quarter of an hour; one from the future is one that somebody means to keep. */
const maxAgeMs = 15 * minuteMs;
const maxAheadMs = 5 * minuteMs;

function readDate(text: string, now: Date): string {
  const [, year, month, day, hour, minute, second] =
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const at = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  const isReal = !Number.isNaN(at.getTime()) && at.toISOString().replace(/[-:]|\.000/g, '') === text;
  if (!isReal) throw refused('X-Amz-Date', 'is not a time like 20260102T150405Z');
  const age = now.getTime() - at.getTime();
  if (age > maxAgeMs)
    throw refused('X-Amz-Date', 'is more than 15 minutes old: is the clock of the joiner right?');
  if (age < -maxAheadMs)
    throw refused('X-Amz-Date', 'is more than 5 minutes ahead: is the clock of the joiner right?');
  return text;
}

const authorizationForm =
  /^AWS4-HMAC-SHA256 Credential=([A-Z0-9]{16,128})\/(\d{8})\/([a-z0-9-]{1,30})\/([a-z0-9-]{1,30})\/aws4_request, SignedHeaders=([a-z0-9;-]{1,300}), Signature=([0-9a-f]{64})$/;

function readAuthorization(
  text: string,
  { host, date, hasToken }: { readonly host: StsHost; readonly date: string; readonly hasToken: boolean },
): Pick<CallerProof, 'accessKeyId' | 'signature'> {
  const [, accessKeyId, day, region, service, names, signature] = authorizationForm.exec(text) ?? [];
  if (accessKeyId === undefined || signature === undefined)
    throw refused('Authorization', 'is not one of Signature Version 4');
  if (day !== date.slice(0, 8)) throw refused('the credential scope', 'is of another day than X-Amz-Date');
  if (region !== host.region) throw refused('the credential scope', `is not of the region ${host.region}`);
  if (service !== 'sts') throw refused('the credential scope', 'is not for sts');
  const signed = signedHeadersOf({ hasToken }).join(';');
  if (names !== signed) throw refused('SignedHeaders', `must be ${signed}`);
  return { accessKeyId, signature };
}

/** What the joiner wrote is not repeated: it may be a secret, or meant for whoever reads logs. */
function refused(what: string, why: string) {
  return ProofRefused(`the signed request is not as it must be: ${what} ${why}`);
}
