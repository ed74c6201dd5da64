import { addressClass } from '@postern/contracts';
import { failure, isPlainObject, messageOf, parseJson } from '@postern/core';
import { guardedLookup } from '@postern/kube';
import { Agent, request } from 'undici';

/** An issuer of tokens that does not say now which keys it has. Nobody outside is told more than that. */
export const IssuerUnavailable = failure(
  'unavailable',
  'join.issuer_unavailable',
  () => 'the issuer of this token cannot be asked now; try again later',
);

/** How issuers are reached. */
export interface IssuerAccess {
  /** Whether issuers may be on this machine: for trials only. */
  readonly allowLoopback: boolean;
  /** PEM of authorities that issuers may have besides the public ones. */
  readonly ca?: string | undefined;
}

/** Asks for a JSON object; fails as `IssuerUnavailable` whatever goes wrong, with the reason as its cause. */
export type FetchJson = (url: URL) => Promise<Record<string, unknown>>;

const timeoutMs = 5_000;
const maxBytes = 64 * 1024;

/**
 * Fetches JSON objects of at most 64 KiB within five seconds. Redirects are not followed. Addresses are judged after a name was
 * resolved, by the look-up that the connection itself makes: link-local ones and metadata services are never connected to.
 */
export function jsonFetcher({ allowLoopback, ca }: IssuerAccess): FetchJson & AsyncDisposable {
  const mayConnect = (address: string) => {
    const kind = addressClass(address);
    return kind === 'ordinary' || (kind === 'loopback' && allowLoopback);
  };
  const dispatcher = new Agent({
    connect: { lookup: guardedLookup({ mayConnect }), ...(ca === undefined ? {} : { ca }) },
    connections: 2,
    maxHeaderSize: 16 * 1024,
  });
  const fetchJson = async (url: URL) => {
    try {
      if (!mayConnect(url.hostname)) throw new TypeError(`${url.hostname} must not be connected to`);
      const signal = AbortSignal.timeout(timeoutMs);
      const { statusCode, body } = await request(url, { dispatcher, signal, headers });
      const text = await readCapped(body);
      if (statusCode !== 200) throw new TypeError(`${url.href} answered ${statusCode}`);
      const value = parseJson(text);
      if (isPlainObject(value)) return value;
      throw new TypeError(`${url.href} answered no JSON object`);
    } catch (error) {
      throw IssuerUnavailable.from(error);
    }
  };
  return Object.assign(fetchJson, { [Symbol.asyncDispose]: () => dispatcher.destroy() });
}

/** Why an issuer could not be asked, for the log. */
export function whyUnavailable(error: unknown): string {
  return messageOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
}

const headers = { accept: 'application/json' };

async function readCapped(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new TypeError(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
