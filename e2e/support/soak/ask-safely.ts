import { setTimeout as delay } from 'node:timers/promises';
import type { Ledger, Unknown } from './ledger.ts';
import { LostAnswer, type UnaryAnswer, type UnaryClient, type UnaryRequest } from './unary-client.ts';

/** Who asks, and where it is noted. */
export interface Asker {
  readonly client: UnaryClient;
  readonly ledger: Ledger;
}

/** How a request ended; `isRepeat` when an earlier attempt may have been the one that did it. */
export type Ending =
  | { readonly answer: UnaryAnswer; readonly isRepeat: boolean }
  | { readonly unknown: Unknown }
  | undefined;

const maxAttempts = 10;
const pauseMs = 200;
/** By RFC 9110, section 9.2.2. */
const idempotent: ReadonlySet<string> = new Set(['GET', 'PUT', 'DELETE']);

/**
 * Asks as a careful client does: again where nothing can have been done, where HTTP lets it, or where the answer asks for it;
 * never a second time where it does not know. Undefined is a failure, which is noted.
 */
export async function askSafely(
  { client, ledger }: Asker,
  kind: string,
  request: UnaryRequest,
): Promise<Ending> {
  const name = `${kind} ${client.protocol}`;
  let isRepeat = false;
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    if (attempt > 1) {
      ledger.of(name).retried += 1;
      await delay(pauseMs);
    }
    const outcome = await client.send(request).catch((error: LostAnswer) => error);
    if (outcome instanceof LostAnswer) {
      if (!outcome.wasSent) continue;
      if (outcome.hadBegun) return failed(ledger, name, `the answer was cut: ${outcome.message}`);
      if (!idempotent.has(request.method)) return { unknown: ledger.unknown(name, 'lost') };
      isRepeat = true;
      continue;
    }
    ledger.answered.set(outcome.requestId, name);
    const { status, isToRetry, text } = outcome;
    if (isToRetry && (status === 429 || status === 503)) continue;
    if (status === 504 && isUnknown(text)) return { unknown: ledger.unknown(name, 'told') };
    return { answer: outcome, isRepeat };
  }
  return failed(ledger, name, `not answered in ${maxAttempts} attempts`);
}

function isUnknown(text: string): boolean {
  return text.includes('"reason":"Timeout"') && text.includes('may have been done or not');
}

function failed(ledger: Ledger, name: string, text: string): undefined {
  ledger.failed(name, text);
  return undefined;
}
