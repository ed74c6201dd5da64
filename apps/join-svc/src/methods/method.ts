import type { JoinRequest } from '@postern/contracts';
import type { Clock, JsonObject } from '@postern/core';

/** A join token as every method sees it. */
export interface JoinToken {
  /** For events and logs: masked where the name is the secret. */
  readonly safeName: string;
  readonly method: string;
  readonly roles: readonly string[];
  readonly expires?: Date;
  readonly spec: JsonObject;
}

/** What a method may use besides the token and the request. */
interface MethodDeps {
  readonly clock: Clock;
}

/**
 * One way to prove who one is. A method answers the attributes that the proof establishes, or throws `ProofRefused`; it
 * sees no database and issues no certificate.
 */
export interface JoinMethod {
  readonly name: string;
  verify(deps: MethodDeps, token: JoinToken, request: JoinRequest): Promise<JsonObject>;
}

/** Declares a join method, once. */
export function joinMethod(method: JoinMethod): JoinMethod {
  return method;
}
