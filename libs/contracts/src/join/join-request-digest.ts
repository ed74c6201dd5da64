import { canonicalJson, type Json, sha256Hex } from '@postern/core';
import type { JoinRequest } from './join-api.ts';

/**
 * SHA-256, hex, of everything that a joiner asks for: token, roles, keys, join id, without the challenge and the proof, which come
 * later. A proof that is signed over it is worth nothing to whoever wants to ask for something else with it.
 */
export function joinRequestDigest(request: JoinRequest): string {
  // Undefined is left out of JSON.
  const asked = { ...request, challenge: undefined, proof: undefined };
  return sha256Hex(canonicalJson(asked as unknown as Json));
}
