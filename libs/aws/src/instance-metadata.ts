import { failure, messageOf } from '@postern/core';
import { Agent, request } from 'undici';
import type { Environment } from './region.ts';

/** The metadata service of EC2 did not answer, or not as it should. */
export const NoInstanceMetadata = failure(
  'unavailable',
  'aws.no_instance_metadata',
  (path: string, why: string) => `the EC2 metadata service has no ${path}: ${why}`,
);

interface MetadataOptions {
  readonly env: Environment;
  readonly signal?: AbortSignal | undefined;
}

const defaultEndpoint = 'http://169.254.169.254';
// On an instance the answer comes within milliseconds; elsewhere nobody answers at all.
const timeoutMs = 1_000;
const maxBytes = 64 * 1024;
const tokenLifeSeconds = '60';

/**
 * Reads one document of the EC2 instance metadata service, version 2: first a session token by PUT, which no simple request forgery
 * can send, then the document with it. `AWS_EC2_METADATA_SERVICE_ENDPOINT` names another address.
 */
export async function readInstanceMetadata(path: string, { env, signal }: MetadataOptions): Promise<string> {
  const endpoint = env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] || defaultEndpoint;
  const dispatcher = new Agent({ connect: { timeout: timeoutMs } });
  const deadline = AbortSignal.timeout(2 * timeoutMs);
  const ask = { dispatcher, signal: signal ? AbortSignal.any([signal, deadline]) : deadline };
  try {
    const token = await textOf(
      await request(new URL('/latest/api/token', endpoint), {
        ...ask,
        method: 'PUT',
        headers: { 'x-aws-ec2-metadata-token-ttl-seconds': tokenLifeSeconds },
      }),
    );
    const headers = { 'x-aws-ec2-metadata-token': token };
    return await textOf(await request(new URL(path, endpoint), { ...ask, headers }));
  } catch (error) {
    signal?.throwIfAborted();
    throw NoInstanceMetadata.from(error, path, messageOf(error));
  } finally {
    await dispatcher.destroy();
  }
}

async function textOf({
  statusCode,
  body,
}: {
  readonly statusCode: number;
  readonly body: AsyncIterable<Buffer>;
}): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new Error('it is too large');
    chunks.push(chunk);
  }
  if (statusCode !== 200) throw new Error(`status ${statusCode}`);
  return Buffer.concat(chunks).toString('utf8');
}
