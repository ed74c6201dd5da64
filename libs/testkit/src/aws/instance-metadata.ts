import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IssuedKey } from './signature.ts';

/** What the metadata service of an instance tells. */
export interface Instance {
  /** Name of the role of its instance profile, and the credentials of it. */
  role?: { readonly name: string; readonly key: IssuedKey };
  /** Other documents by path, such as `/latest/meta-data/placement/region`. */
  readonly documents: Map<string, string>;
}

const tokens = new Set<string>();

/** IMDSv2: a token is got by PUT, everything else is shown for a token only. */
export function answerAsInstanceMetadata(
  request: IncomingMessage,
  response: ServerResponse,
  { role, documents }: Instance,
): void {
  const path = request.url ?? '/';
  if (path === '/latest/api/token') {
    const isWellAsked = request.method === 'PUT' && request.headers['x-aws-ec2-metadata-token-ttl-seconds'];
    if (!isWellAsked) return void response.writeHead(400).end();
    const token = randomBytes(32).toString('base64');
    tokens.add(token);
    return void response.writeHead(200, { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }).end(token);
  }
  if (!tokens.has(String(request.headers['x-aws-ec2-metadata-token'])))
    return void response.writeHead(401).end();
  const text = documents.get(path) ?? roleDocument(path, role);
  response.writeHead(text === undefined ? 404 : 200).end(text);
}

function roleDocument(path: string, role: Instance['role']): string | undefined {
  const [, rest] = /^\/latest\/meta-data\/iam\/security-credentials\/?(.*)$/.exec(path) ?? [];
  if (rest === undefined || !role) return undefined;
  if (rest === '') return role.name;
  return rest === role.name ? JSON.stringify(credentialsDocument(role.key)) : undefined;
}

/** Credentials as the metadata services of instances and containers write them. */
export function credentialsDocument({ accessKeyId, secretAccessKey, sessionToken, expires }: IssuedKey) {
  return {
    Code: 'Success',
    Type: 'AWS-HMAC',
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
    Expiration: (expires ?? new Date(Date.now() + 3_600_000)).toISOString(),
    LastUpdated: new Date().toISOString(),
  };
}
