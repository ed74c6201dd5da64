import { Agent } from 'node:https';
import { messageOf } from '@postern/core';
import type { AwsCredentials } from '../eks/token.ts';
import type { Environment } from '../region.ts';
import { NoAwsCredentials } from './no-credentials.ts';

const timeouts = { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true };

/**
 * The credentials of this process, by the chain of the SDKs: variables, shared files, web identity (IRSA), container, instance. What was
 * found is kept until it ends. The questions to STS that this takes go through `HTTPS_PROXY`, unless `NO_PROXY` exempts the host.
 */
export async function ownCredentials(
  region: string,
  env: Environment,
): Promise<() => Promise<AwsCredentials>> {
  const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
  const requestHandler = { httpsAgent: new Agent({ proxyEnv: proxyOf(env) }), ...timeouts };
  const provider = defaultProvider({ clientConfig: { region, requestHandler } });
  return async () => {
    try {
      return await provider();
    } catch (error) {
      throw NoAwsCredentials.from(error, messageOf(error));
    }
  };
}

function proxyOf(env: Environment): NodeJS.ProcessEnv {
  const [proxy, noProxy] = [env['HTTPS_PROXY'] || env['https_proxy'], env['NO_PROXY'] || env['no_proxy']];
  return proxy ? { HTTPS_PROXY: proxy, ...(noProxy ? { NO_PROXY: noProxy } : {}) } : {};
}
