import { failure, isPlainObject } from '@postern/core';
import { clientTls, type HeldIdentity } from '@postern/identity';
import { Agent, request } from 'undici';

export const CredentialsUnavailable = failure(
  'unavailable',
  'kube.credentials_unavailable',
  (name: string, why: string) => `the credentials of cluster ${JSON.stringify(name)} cannot be read: ${why}`,
);

const timeoutMs = 10_000;
const maxBytes = 2 * 1024 * 1024;

/**
 * Reads a cluster's kubeconfig as this agent, from resource-svc or through an edge: each attempt asks the next address.
 * Connections are not kept, since this happens when a cluster changes.
 */
export function credentialsApi(
  held: HeldIdentity,
  urls: readonly string[],
): (name: string, signal: AbortSignal) => Promise<string> {
  let turn = 0;
  return async (name, signal) => {
    const url = urls[turn++ % urls.length];
    if (url === undefined)
      throw CredentialsUnavailable(name, 'no address of the control plane is configured');
    const connect = clientTls(held, { expect: { type: 'svc' } }) as NonNullable<Agent.Options['connect']>;
    await using dispatcher = closing(new Agent({ connect, allowH2: false }));
    try {
      const answer = await request(`${url}/v1/credentials/kube_cluster/${encodeURIComponent(name)}`, {
        dispatcher: dispatcher.agent,
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const text = await readText(answer.body);
      if (answer.statusCode !== 200)
        throw CredentialsUnavailable(name, `the control plane answered ${answer.statusCode}`);
      return kubeconfigIn(JSON.parse(text));
    } catch (error) {
      throw CredentialsUnavailable.is(error)
        ? error
        : CredentialsUnavailable.from(error, name, (error as Error).message);
    }
  };
}

function closing(agent: Agent): AsyncDisposable & { readonly agent: Agent } {
  return { agent, [Symbol.asyncDispose]: () => agent.destroy() };
}

async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBytes) throw new TypeError('the answer is too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function kubeconfigIn(document: unknown): string {
  const spec = isPlainObject(document) ? document['spec'] : undefined;
  const kubeconfig = isPlainObject(spec) ? spec['kubeconfig'] : undefined;
  return typeof kubeconfig === 'string' ? kubeconfig : '';
}
