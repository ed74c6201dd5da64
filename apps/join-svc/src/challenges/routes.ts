import { ChallengeRequest, JoinChallenge } from '@postern/contracts';
import { route } from '@postern/http';
import type { JoinDeps } from '../deps.ts';

/** The same answer for every method, known or not: a challenge says nothing about tokens. */
export const challengeRoute = route<JoinDeps>()({
  method: 'POST',
  url: '/v1/join/challenge',
  allow: 'public',
  body: ChallengeRequest,
  reply: JoinChallenge,
  bodyLimit: 1024,
  handle: ({ limiter, challenges }, { body, request }) => {
    // Whoever may not join now for having failed too often needs no challenge either.
    limiter.check(request.sourceIp);
    return challenges.issue(body);
  },
});
