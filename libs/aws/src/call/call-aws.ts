import { type Clock, messageOf } from '@postern/core';
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici';
import type { AwsCredentials } from '../eks/token.ts';
import type { Environment } from '../region.ts';
import { elementAt, MalformedXml, readXml, textAt } from '../xml/read-xml.ts';
import { type Asked, AwsMalformed, AwsTimedOut, AwsUnavailable, refusalOf } from './refusals.ts';
import { openSigner } from '../signer.ts';

/** A request to an AWS service. */
export interface AwsRequest extends Asked {
  readonly service: string;
  readonly region: string;
  /** `https://host` of the service, without a path. */
  readonly endpoint: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** As it is sent: what does not mean itself in a path is encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Signs a request, sends it once, and reads the answer, which is JSON. */
export type CallAws = (request: AwsRequest, credentials: AwsCredentials) => Promise<unknown>;

/** The way to AWS, and its end. */
export interface AwsLine extends AsyncDisposable {
  readonly call: CallAws;
  /** The same for services that answer in XML, whatever they are asked for. Gives its text. */
  callForXml(request: AwsRequest, credentials: AwsCredentials): Promise<string>;
}

const connectMs = 3_000;
const maxAnswerBytes = 1024 * 1024;
const connectionsPerHost = 16;

/**
 * Opens the way to AWS: through `HTTPS_PROXY` where one is set and `NO_PROXY` does not exempt the host, and never by a proxy to
 * addresses that are not TLS. `timeoutMs` is for a whole call.
 */
export function openAwsLine(env: Environment, clock: Clock, timeoutMs: number): AwsLine {
  const dispatcher = new EnvHttpProxyAgent({
    httpProxy: '',
    httpsProxy: env['HTTPS_PROXY'] || env['https_proxy'] || '',
    noProxy: env['NO_PROXY'] || env['no_proxy'] || '',
    connect: { timeout: connectMs },
    connections: connectionsPerHost,
  });
  const ask = async (asked: AwsRequest, credentials: AwsCredentials): Promise<Answer> => {
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = asked.signal ? AbortSignal.any([asked.signal, deadline]) : deadline;
    const headers = await signed(asked, credentials, clock);
    return send(asked, { headers, dispatcher, signal }).catch((error: unknown) => {
      asked.signal?.throwIfAborted();
      throw notAnswered(asked, deadline.aborted, error);
    });
  };
  return {
    call: async (asked, credentials) => read(asked, await ask(asked, credentials)),
    callForXml: async (asked, credentials) => readText(asked, await ask(asked, credentials)),
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  };
}

async function signed(
  { service, region, endpoint, method, path, query = {}, headers = {}, body }: AwsRequest,
  credentials: AwsCredentials,
  clock: Clock,
): Promise<Record<string, string>> {
  const signer = await openSigner({ service, region, credentials });
  const { host, hostname, protocol } = new URL(endpoint);
  const unsigned = {
    method,
    protocol,
    hostname,
    path,
    query,
    headers: { ...headers, accept: 'application/json', host },
    body,
  };
  return (await signer.sign(unsigned, { signingDate: clock() })).headers;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

async function send(
  { endpoint, method, path, query = {}, body }: AwsRequest,
  options: {
    readonly headers: Record<string, string>;
    readonly dispatcher: Dispatcher;
    readonly signal: AbortSignal;
  },
): Promise<Answer> {
  const url = new URL(path, endpoint);
  url.search = new URLSearchParams(query).toString();
  const answer = await request(url, { ...options, method, body: body ?? null });
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new TooLarge('it is too large');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8');
  return { status: answer.statusCode, headers: answer.headers, text };
}

class TooLarge extends Error {}

function notAnswered({ action, where }: Asked, isLate: boolean, error: unknown): Error {
  if (isLate) return AwsTimedOut.from(error, action, where);
  if (error instanceof TooLarge) return AwsMalformed.from(error, action, where, error.message);
  return AwsUnavailable.from(error, action, where, messageOf(error));
}

function read(asked: AwsRequest, { status, headers, text }: Answer): unknown {
  const json = parsed(text);
  if (status !== 200) throw refusalOf(asked, { status, ...faultIn(headers['x-amzn-errortype'], json) });
  // Of what was deleted there is nothing to tell (Amazon EKS API Reference, DeleteAccessEntry).
  if (asked.method === 'DELETE' && text === '') return undefined;
  if (!String(headers['content-type']).startsWith('application/') || json === undefined)
    throw AwsMalformed(asked.action, asked.where, 'it is no JSON');
  return json;
}

function readText(asked: Asked, { status, headers, text }: Answer): string {
  if (status !== 200) throw refusalOf(asked, { status, ...faultInXml(text) });
  const [type = ''] = String(headers['content-type']).split(';');
  if (!/^(?:text|application)\/xml$/.test(type))
    throw AwsMalformed(asked.action, asked.where, 'it is no XML');
  return text;
}

/** Code and message of an error of EC2. */
function faultInXml(text: string): { readonly code: string; readonly message: string } {
  try {
    const error = elementAt(readXml(text), 'Errors', 'Error');
    const [code, message] = ['Code', 'Message'].map((name) => (error ? textAt(error, name) : undefined));
    return { code: /^[\w.]{1,100}$/.exec(code ?? '')?.[0] ?? '', message: message ?? '' };
  } catch (error) {
    if (error instanceof MalformedXml) return { code: '', message: '' };
    throw error;
  }
}

/** Names like `__proto__` stay: they may be the keys of tags, and JSON.parse makes ordinary properties of them. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Code and message of an error, where the JSON services write them and where STS does. */
function faultIn(header: unknown, json: unknown): { readonly code: string; readonly message: string } {
  const body = (json ?? {}) as Readonly<Record<string, unknown>>;
  const inner = (body['Error'] ?? {}) as Readonly<Record<string, unknown>>;
  const code = [header, body['__type'], body['code'], inner['Code']].find((each) => typeof each === 'string');
  const message = [body['message'], body['Message'], inner['Message']].find(
    (each) => typeof each === 'string',
  );
  // `namespace#Code:http://…` is customary.
  const name = /^(?:[^#]{0,200}#)?(\w{1,100})/.exec(code ?? '')?.[1] ?? '';
  return { code: name, message: typeof message === 'string' ? message : '' };
}
