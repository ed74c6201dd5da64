import { TrustMessage } from '@postern/contracts';
import { delay, messageOf } from '@postern/core';
import { type HeldIdentity, readTrustNews, type TrustNews } from '@postern/identity';
import { Compile } from 'typebox/compile';
import { askTrust, tellFollowed } from './enroll.ts';
import type { IdentityOptions } from './identity-options.ts';
import { RefusedByControlPlane } from './join-client.ts';
import { persist } from './persist.ts';

const trustMessage = Compile(TrustMessage);

/** What following the trust needs of the identity that follows. */
export interface Following {
  readonly held: HeldIdentity;
  readonly options: IdentityOptions;
  /** Which revision of the trust is gone by. */
  readonly revision: () => number;
  /** Goes by newer trust from now on. */
  readonly take: (news: TrustNews) => Promise<void>;
  /** Whether the certificate has to be renewed, as it has when another authority is to certify. */
  readonly isDue: () => boolean;
  readonly renewNow: () => Promise<void>;
  /** Asks whether the identity still holds, and sees to what follows from the answer. */
  readonly check: () => Promise<void>;
  /** Sees to what follows from an error. */
  readonly failed: (error: unknown) => Promise<unknown>;
}

/** A renewal that was under way when the news came may still bring a certificate of the authority before. */
const maxRenewals = 3;

/**
 * Follows the rotation of authorities. What is trusted changes at once; the certificate is renewed, and the control plane told, at a
 * moment of one's own within the time that the news give, so that ten thousand processes do not come together.
 */
export class TrustFollower {
  readonly #of: Following;
  /** What the control plane was told last, and what it is about to be told. Nobody is told that nothing was ever rotated. */
  #told = 0;
  #telling = 0;

  constructor(of: Following) {
    this.#of = of;
  }

  /** Takes a message of the bus. What is not signed by who is trusted now is nothing. */
  async hear(message: unknown): Promise<void> {
    const news = await this.#read(message);
    if (news) await this.#follow(news);
  }

  /**
   * Asks for the trust, in case that a message did not come. That we are refused, or that nobody signed the answer whom we trust, may
   * mean that our authority was replaced meanwhile; whether it was, the control plane says of our certificate.
   */
  async ask(): Promise<void> {
    const { held, options, check } = this.#of;
    try {
      const answer = await askTrust(held, options);
      const news = await this.#read(answer);
      if (news) await this.#follow(news);
      else if (trustMessage.Check(answer)) await check();
    } catch (error) {
      options.telemetry.log.debug('the trust is not known now', { error: messageOf(error) });
      if (RefusedByControlPlane.is(error)) await check();
    }
  }

  async #read(message: unknown): Promise<TrustNews | undefined> {
    return trustMessage.Check(message) ? readTrustNews(message.statements, this.#of.held.trust()) : undefined;
  }

  async #follow(news: TrustNews): Promise<void> {
    if (news.revision < this.#of.revision()) return;
    if (news.revision > this.#of.revision()) await this.#of.take(news);
    if (news.revision > this.#telling) void this.#catchUp(news);
  }

  async #catchUp({ revision, spreadMs }: TrustNews): Promise<void> {
    const { held, options, isDue, renewNow, failed } = this.#of;
    this.#telling = revision;
    try {
      await delay(Math.random() * spreadMs, options.signal);
      if (revision < this.#telling) return;
      for (let renewals = 0; isDue() && renewals < maxRenewals; renewals += 1) await renewNow();
      if (isDue()) return;
      await persist('telling whom this process trusts', options, (count) =>
        tellFollowed(held, options, { revision, attempt: count }),
      );
      this.#told = Math.max(this.#told, revision);
    } catch (error) {
      if (!options.signal?.aborted) await failed(error);
    } finally {
      // What was not told is told when the news are heard again.
      if (this.#telling === revision) this.#telling = this.#told;
    }
  }
}
