import { failure, messageOf } from '@postern/core';
import { Agent, request } from 'undici';
import type { ProvingMethod } from './method.ts';

/** The metadata service of EC2 does not give the identity document of this machine. */
export const NoInstanceIdentity = failure(
  'unavailable',
  'agent.no_instance_identity',
  (why: string) =>
    `the instance metadata service gives no identity document: ${why}; the method ec2 is for EC2 instances with IMDSv2`,
);

const defaultEndpoint = 'http://169.254.169.254';
const timeoutMs = 5_000;
const maxBytes = 16 * 1024;

/**
 * An instance shows its signed identity document, from version 2 of the instance metadata service (EC2 user guide, "Instance
 * identity documents"). The endpoint may be moved by the variable that AWS's own tools know.
 */
export const ec2Method: ProvingMethod = {
  name: 'ec2',
  hasChallenge: false,
  prove: async ({ env, signal }) => {
    const endpoint = env['AWS_EC2_METADATA_SERVICE_ENDPOINT'] || defaultEndpoint;
    const dispatcher = new Agent({ connections: 1 });
    try {
      const deadline = AbortSignal.timeout(timeoutMs);
      const way = { dispatcher, signal: signal ? AbortSignal.any([signal, deadline]) : deadline };
      const session = await read(new URL('/latest/api/token', endpoint), {
        ...way,
        method: 'PUT',
        headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' },
      });
      const document = await read(new URL('/latest/dynamic/instance-identity/rsa2048', endpoint), {
        ...way,
        headers: { 'x-aws-ec2-metadata-token': session },
      });
      return { document };
    } catch (error) {
      signal?.throwIfAborted();
      throw NoInstanceIdentity.is(error) ? error : NoInstanceIdentity.from(error, messageOf(error));
    } finally {
      await dispatcher.destroy();
    }
  },
};

async function read(url: URL, options: NonNullable<Parameters<typeof request>[1]>): Promise<string> {
  const { statusCode, body } = await request(url, options);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) throw NoInstanceIdentity('its answer is too long');
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString('utf8').trim();
  if (statusCode !== 200 || text === '')
    throw NoInstanceIdentity(`${url.pathname} is answered with ${statusCode}`);
  return text;
}
