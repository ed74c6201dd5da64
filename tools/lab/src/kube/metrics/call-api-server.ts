import { httpsCall, type HttpsCallOptions } from '../https-call.ts';
import type { ServerFacts } from '../server-facts.ts';

/** Asks the API server as its administrator. */
export type ApiServerCall = (
  path: string,
  options?: HttpsCallOptions,
) => Promise<{ readonly status: number; readonly body: string }>;

export function callApiServer({ url, caFile, admin }: ServerFacts): ApiServerCall {
  return (path, options) => httpsCall(url + path, { caFile, client: admin }, options);
}
