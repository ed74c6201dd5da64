import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import type { KeyPairFiles } from './pki.ts';

const TIMEOUT_MS = 5_000;

/** Whom to trust and as whom to ask. */
export interface HttpsCredentials {
  readonly caFile: string;
  readonly client?: KeyPairFiles;
}

/** The body of a 200 answer, or undefined for any other status. Rejects when nobody answers. */
export function httpsGet(url: string, { caFile, client }: HttpsCredentials): Promise<string | undefined> {
  const tls = {
    ca: readFileSync(caFile),
    ...(client ? { cert: readFileSync(client.cert), key: readFileSync(client.key) } : {}),
  };
  return new Promise((resolve, reject) => {
    const request = get(url, { ...tls, agent: false, timeout: TIMEOUT_MS }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('end', () => resolve(response.statusCode === 200 ? body : undefined));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error('no answer in time')));
    request.on('error', reject);
  });
}
