import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ChallengeRequest, JoinChallenge } from '@postern/contracts';
import type { Clock, Secret } from '@postern/core';

/** What a challenge is good for: one method and one key. */
export type ChallengeUse = ChallengeRequest;

/** A challenge of ours that has not ended. */
export interface OpenChallenge {
  /** Name of this challenge, for the record that it was used. It does not help to forge one. */
  readonly id: string;
  readonly endsAt: Date;
}

/** Makes and recognises challenges. */
export interface Challenges {
  issue(use: ChallengeUse): JoinChallenge;
  /** The challenge, or why it is none that this use can be proved by. */
  read(challenge: string, use: ChallengeUse): OpenChallenge | string;
}

const lifeMs = 5 * 60_000;
const nonceBytes = 16;
const timeBytes = 6;
const macBytes = 32;
const challengeBytes = nonceBytes + timeBytes + macBytes;

/**
 * Challenges that nobody has to remember: random bytes, the time of their end, and a MAC over both, the method and the key that
 * is to be certified. Every replica with the same key file recognises them, and a flood of requests for them writes nothing. That
 * one is used once is seen to by whoever records the join, see used-proof.ts.
 */
export function openChallenges(key: Secret, clock: Clock): Challenges {
  const macKey = Buffer.from(hkdfSync('sha256', key.reveal().trim(), '', 'postern join challenge', macBytes));
  const macOf = (body: Buffer, { method, key: certified }: ChallengeUse) =>
    createHmac('sha256', macKey).update(body).update(`\n${method}\n${certified}`).digest();
  return {
    issue: (use) => {
      const endsAt = new Date(clock().getTime() + lifeMs);
      const time = Buffer.alloc(timeBytes);
      time.writeUIntBE(endsAt.getTime(), 0, timeBytes);
      const body = Buffer.concat([randomBytes(nonceBytes), time]);
      const challenge = Buffer.concat([body, macOf(body, use)]).toString('base64url');
      return { challenge, expires: endsAt.toISOString() };
    },
    read: (challenge, use) => {
      const bytes = Buffer.from(challenge, 'base64url');
      if (bytes.length !== challengeBytes || bytes.toString('base64url') !== challenge)
        return 'the challenge is malformed';
      const body = bytes.subarray(0, -macBytes);
      if (!timingSafeEqual(macOf(body, use), bytes.subarray(-macBytes)))
        return 'the challenge was not issued here for this method and key';
      const endsAt = new Date(body.readUIntBE(nonceBytes, timeBytes));
      if (endsAt <= clock()) return 'the challenge has ended';
      return { id: body.toString('hex'), endsAt };
    },
  };
}
