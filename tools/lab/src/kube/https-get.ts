import { httpsCall, type HttpsCredentials } from './https-call.ts';

/** The body of a 200 answer, or undefined for any other status. Rejects when nobody answers. */
export async function httpsGet(url: string, credentials: HttpsCredentials): Promise<string | undefined> {
  const { status, body } = await httpsCall(url, credentials);
  return status === 200 ? body : undefined;
}
