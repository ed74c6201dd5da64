import type { TurnAway } from '@postern/http';
import { challengeRoute } from '../challenges/routes.ts';
import { type JoinLimiter, TooManyJoins } from './limiter.ts';
import { joinRoute } from './routes.ts';

const paths = [joinRoute.url, challengeRoute.url];

/** Whoever has failed too often is not heard: the limiter would say so later, when the request was read and parsed. */
export function turnAwayFrom(limiter: Pick<JoinLimiter, 'isSpent'>, afterMs: number): TurnAway {
  return {
    answer: TooManyJoins(),
    afterMs,
    isUnwelcome: ({ url, sourceIp }) => paths.includes(url) && limiter.isSpent(sourceIp),
  };
}
