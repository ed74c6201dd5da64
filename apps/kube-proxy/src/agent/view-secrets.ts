import type { Bus } from '@postern/bus';
import { agentSubjects, sealEpochOf, type ViewEntry, type ViewKeyReply } from '@postern/contracts';
import { type Clock, failure, isPlainObject, parseJson } from '@postern/core';
import {
  type HeldIdentity,
  newUnwrapping,
  openFromView,
  signViewProof,
  type ViewKeys,
} from '@postern/identity';

/** A cluster whose kubeconfig cannot be had at this moment. */
export const CredentialsUnavailable = failure(
  'unavailable',
  'kube.credentials_unavailable',
  (name: string, why: string) => `the credentials of cluster ${JSON.stringify(name)} cannot be read: ${why}`,
);

/** What reading the secrets of a view works with. */
export interface ViewSecretsDeps {
  readonly bus: Pick<Bus, 'request'>;
  readonly held: HeldIdentity;
  readonly agentId: string;
  readonly clock: Clock;
  /** The view that shows them. */
  readonly hash: string;
}

/**
 * Opens what is sealed in the entries of a view. Its keys are asked for when an entry needs one that is not known: the first
 * time, and whenever another reader has left and a new epoch began. They are kept in memory only.
 */
export class ViewSecrets {
  readonly #deps: ViewSecretsDeps;
  #keys: ViewKeys = new Map();
  #asking: Promise<void> | undefined;

  constructor(deps: ViewSecretsDeps) {
    this.#deps = deps;
  }

  /** The kubeconfig of a cluster, base64; empty when it was registered without one. */
  async kubeconfigOf(entry: ViewEntry): Promise<string> {
    const { id, sealed } = entry;
    if (sealed === undefined) throw CredentialsUnavailable(id, 'a newer revision of it is on its way');
    try {
      if (!this.#keys.has(sealEpochOf(sealed))) await this.#ask();
      const text = await openFromView(this.#keys, { ...entry, hash: this.#deps.hash }, sealed);
      const secrets = parseJson(text);
      const kubeconfig = isPlainObject(secrets) ? secrets['spec.kubeconfig'] : undefined;
      return typeof kubeconfig === 'string' ? kubeconfig : '';
    } catch (error) {
      throw CredentialsUnavailable.from(error, id, (error as Error).message);
    }
  }

  /** One question at a time, however many entries wait for its answer. */
  #ask(): Promise<void> {
    this.#asking ??= this.#fetch().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #fetch(): Promise<void> {
    const { bus, held, agentId, clock, hash } = this.#deps;
    const { recipient, unwrap } = await newUnwrapping();
    const proof = await signViewProof(held, { hash, recipient }, clock);
    const reply = (await bus.request(agentSubjects.viewKey(agentId), { hash, proof })) as ViewKeyReply;
    if (!reply.ok) throw new Error(`${reply.message} (${reply.code})`);
    this.#keys = await unwrap(reply.wrapped, { hash, agentId });
  }
}
