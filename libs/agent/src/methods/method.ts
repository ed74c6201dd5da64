import type { Clock, JsonObject } from '@postern/core';

/** What a joiner makes a proof of. */
export interface ProofContext {
  /** Name of the token. */
  readonly token: string;
  /** SHA-256 of the public key that is to be certified (SPKI), hex. */
  readonly key: string;
  /** Digest of everything that is asked for, see `joinRequestDigest`: a proof over it is good for nothing else. */
  readonly request: string;
  /** Fresh from the control plane for this attempt; empty where the method has no challenges. */
  readonly challenge: string;
  /** Variables of the process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  readonly signal: AbortSignal | undefined;
}

/** How a joiner proves who it is. One file each, and one line in `index.ts`; heavy libraries are loaded when they are used. */
export interface ProvingMethod {
  readonly name: string;
  /** Whether the proof answers to a challenge of the control plane. */
  readonly hasChallenge: boolean;
  /** Called for each attempt, since what a proof is made of may have changed; undefined where there is nothing to prove. */
  prove(context: ProofContext): Promise<JsonObject | undefined>;
}
