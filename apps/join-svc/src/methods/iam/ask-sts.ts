import { type Clock, failure, messageOf, parseJson } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';
import { Agent, type Dispatcher, request } from 'undici';
import { Outbound } from '@postern/agent';
import { ProofRefused } from '../method.ts';
import { Circuits, StsUnavailable } from './circuit.ts';
import type { CallerProof } from './signed-request.ts';
import { stsRequestOf } from './sts-request.ts';
import { Turns } from './turns.ts';

/** An address for STS that requests must not be sent to. */
export const InvalidStsEndpoint = failure(
  'invalid_argument',
  'join.invalid_sts_endpoint',
  (text: string) =>
    `POSTERN_STS_ENDPOINT ${JSON.stringify(text.slice(0, 200))} must be https://host[:port], or http to this machine`,
);

/** AWS wants to be asked less often by the account that signed. */
const Throttled = failure('unavailable', 'join.sts_throttled', (said: string) => `it throttles: ${said}`);

/** What asks STS who signed a request. */
export interface Sts extends AsyncDisposable {
  /** Whether only hosts that are validated by FIPS 140 may have been signed for. */
  readonly isFipsOnly: boolean;
  /** The body of its answer, where it knows the caller; ProofRefused where it does not, StsUnavailable where nobody can say. */
  ask(proof: CallerProof, context: AskContext): Promise<string>;
}

interface AskContext {
  readonly challenge: string;
  readonly request: string;
  /** Whom the question is for, so that one address cannot have all turns. */
  readonly sourceIp: string;
}

export interface StsOptions {
  readonly clock: Clock;
  readonly telemetry: Pick<Telemetry, 'log'>;
  /** Where to connect to instead of the host that a request is signed for, such as a private endpoint. */
  readonly endpoint?: string | undefined;
  readonly isFipsOnly?: boolean | undefined;
  /** The way out, where there is a proxy on it. */
  readonly outbound?: Outbound | undefined;
  /** Milliseconds for all of a question. */
  readonly timeoutMs?: number;
}

const maxAnswerBytes = 64 * 1024;
const limits = { atOnce: 16, perAddress: 8, maxWaiting: 1_000, patienceMs: 5_000 };

/** Connects to STS when it is asked, and to nothing else: hosts are those of the table, on port 443. */
export function openSts(options: StsOptions): Sts {
  const {
    clock,
    telemetry,
    endpoint,
    isFipsOnly = false,
    timeoutMs = 10_000,
    outbound = new Outbound(),
  } = options;
  const instead = endpoint === undefined ? undefined : readEndpoint(endpoint);
  const dispatcher = new Agent({
    connections: limits.atOnce,
    connect: instead?.isPlain ? { timeout: timeoutMs / 2 } : outbound.connector(() => ({}), timeoutMs / 2),
  });
  const turns = new Turns(limits);
  const circuits = new Circuits(clock);
  return {
    isFipsOnly,
    ask: ({ host, ...proof }, { sourceIp, ...signed }) => {
      const call = {
        ...stsRequestOf({ host, ...proof }, signed),
        origin: instead?.origin ?? `https://${host.host}`,
      };
      return turns.run(sourceIp, async () => {
        const report = circuits.enter(host.host, sourceIp);
        try {
          const answer = await send(call, { dispatcher, timeoutMs });
          report('answered');
          return answer;
        } catch (error) {
          if (ProofRefused.is(error)) {
            report('answered');
            throw error;
          }
          report(Throttled.is(error) ? 'throttled' : 'failed');
          telemetry.log.warn('STS did not answer as it should', {
            host: host.host,
            reason: messageOf(error),
          });
          throw StsUnavailable.from(error);
        }
      });
    },
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  };
}

interface StsCall extends ReturnType<typeof stsRequestOf> {
  readonly origin: string;
}

interface Sending {
  readonly dispatcher: Dispatcher;
  readonly timeoutMs: number;
}

async function send({ origin, headers, body }: StsCall, { dispatcher, timeoutMs }: Sending): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  // Redirects are not followed: whoever sends one is not the STS that was meant.
  const answer = await request(`${origin}/`, { dispatcher, method: 'POST', headers, body, signal });
  const { statusCode } = answer;
  const text = await textOf(answer.body as AsyncIterable<Buffer>);
  if (statusCode === 200) {
    demandJson(answer);
    return text;
  }
  const said = `status ${statusCode} ${errorCodeOf(text)}`.trim();
  if (statusCode === 429 || /throttl|limitexceeded|toomany|slowdown/i.test(said)) throw Throttled(said);
  if (statusCode < 400 || statusCode >= 500) throw new Error(said);
  throw ProofRefused(`STS does not know the signer: ${said}`);
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxAnswerBytes) throw new Error('its answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function demandJson({ headers }: Dispatcher.ResponseData): void {
  if (headers['content-encoding'] !== undefined) throw new Error('its answer is compressed');
  const [type = ''] = String(headers['content-type'] ?? '').split(';');
  if (type.trim().toLowerCase() !== 'application/json') throw new Error('its answer is not JSON');
}

/** The name of an error as AWS has them, from an answer that may hold anything else. */
function errorCodeOf(text: string): string {
  try {
    const { Error: error } = parseJson(text) as { readonly Error?: { readonly Code?: unknown } };
    return typeof error?.Code === 'string' && /^[A-Za-z.]{1,64}$/.test(error.Code) ? error.Code : '';
  } catch {
    return '';
  }
}

function readEndpoint(text: string): { readonly origin: string; readonly isPlain: boolean } {
  const url = URL.parse(text);
  if (!url || url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '')
    throw InvalidStsEndpoint(text);
  const isHere = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHere)) throw InvalidStsEndpoint(text);
  return { origin: url.origin, isPlain: url.protocol === 'http:' };
}
