import type { JoinRequest } from '@postern/contracts';
import { claimedKey } from '@postern/identity';
import type { JoinDeps } from '../deps.ts';
import type { Shown } from './limiter.ts';

/**
 * What a request shows before anything is verified that costs more than a hash: enough to tell who guesses from who knows. It lets nobody
 * in: everything is verified afterwards, whatever it showed.
 */
export function shownBy(
  { tokens, challenges }: Pick<JoinDeps, 'tokens' | 'challenges'>,
  { token: name, method, challenge, csr }: JoinRequest,
): Shown {
  const token = tokens.find(name);
  if (token?.method !== method) return 'nothing';
  if (method === 'token') return 'secret';
  if (challenge === undefined) return 'name';
  const key = claimedKey(csr);
  const open = key === undefined ? 'no key' : challenges.read(challenge, { method, key });
  return typeof open === 'string' ? 'nothing' : 'challenge';
}
