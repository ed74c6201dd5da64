import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import type { KeyPairFiles } from './pki.ts';

const TIMEOUT_MS = 5_000;

/** Whom to trust and as whom to ask. */
export interface HttpsCredentials {
  readonly caFile: string;
  readonly client?: KeyPairFiles;
}

/** What is asked beyond a plain GET. */
export interface HttpsCallOptions {
  readonly method?: 'POST' | 'PATCH';
  readonly contentType?: string;
  readonly body?: string;
}

/** The status and the body of an answer. Rejects when nobody answers. */
export function httpsCall(
  url: string,
  { caFile, client }: HttpsCredentials,
  { method, contentType = 'application/json', body }: HttpsCallOptions = {},
): Promise<{ readonly status: number; readonly body: string }> {
  const tls = {
    ca: readFileSync(caFile),
    ...(client ? { cert: readFileSync(client.cert), key: readFileSync(client.key) } : {}),
  };
  const headers = body === undefined ? {} : { 'content-type': contentType };
  const options = { ...tls, agent: false, timeout: TIMEOUT_MS, method: method ?? 'GET', headers };
  return new Promise((resolve, reject) => {
    const asked = request(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
      response.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.on('error', reject);
    asked.end(body);
  });
}
