import { type Clock, systemClock } from '@postern/core';
import { type Principal, principalOf } from './principal.ts';
import { readCertificate, type TrustBundle } from './trust.ts';

/** A private key, its certificate, and whom its holder trusts. All PEM. */
export interface IdentityMaterial {
  readonly key: string;
  readonly certificate: string;
  readonly hostCa: string;
  readonly userCa: string;
  readonly clusterName: string;
  /** What a server sends behind its certificate, for whoever knows only the authority before; PEM. */
  readonly hostChain?: string | undefined;
}

/** What a process is at this moment. */
export interface CurrentIdentity extends IdentityMaterial {
  readonly principal: Principal;
}

/** Told of a replacement, and of what there was before it. */
export type IdentityListener = (identity: CurrentIdentity, before: CurrentIdentity) => void;

/**
 * The identity that a process holds. It is replaced by each renewal; TLS servers and clients read it when they connect,
 * and servers listen for the change.
 */
export class HeldIdentity {
  #current: CurrentIdentity;
  readonly #listeners = new Set<IdentityListener>();
  readonly #clock: Clock;

  constructor(material: IdentityMaterial, clock: Clock = systemClock) {
    this.#clock = clock;
    this.#current = withPrincipal(material, clock());
  }

  current(): CurrentIdentity {
    return this.#current;
  }

  trust(): TrustBundle {
    const { clusterName, hostCa, userCa } = this.#current;
    return { clusterName, hostCa, userCa };
  }

  /** Takes a new identity, after checking that it is one. */
  replace(material: IdentityMaterial): void {
    const before = this.#current;
    this.#current = withPrincipal(material, this.#clock());
    for (const listener of this.#listeners) listener(this.#current, before);
  }

  /** Calls back after each replacement; the answer stops that. */
  onChange(listener: IdentityListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

function withPrincipal(material: IdentityMaterial, at: Date): CurrentIdentity {
  return { ...material, principal: principalOf(readCertificate(material.certificate), material, { at }) };
}
