import type { Eks } from '@postern/aws';
import type { Pace } from '../scanning/pace.ts';
import type { AccessDeps } from './set-up-access.ts';

/** EKS, asked at the pace of an account and region, and again where that may help. What ends something is asked to the end. */
export function pacedEks(eks: Eks, pace: Pace, signal: AbortSignal): AccessDeps['eks'] {
  const { access } = eks;
  const ask = <T>(question: () => Promise<T>) => pace.ask(question, signal);
  const toTheEnd = <T>(question: () => Promise<T>) => pace.ask(question, new AbortController().signal);
  return {
    who: (as) => ask(() => eks.who(as)),
    token: (as, name) => eks.token(as, name),
    accessTo: (as, name) => ask(() => eks.accessTo(as, name)),
    access: {
      // Whoever ends an elevation looks whether it is one first.
      describe: (as, cluster, principal) => toTheEnd(() => access.describe(as, cluster, principal)),
      delete: (as, cluster, principal) => toTheEnd(() => access.delete(as, cluster, principal)),
      create: (as, cluster, entry) => ask(() => access.create(as, cluster, entry)),
      update: (as, cluster, entry) => ask(() => access.update(as, cluster, entry)),
      makeAdmin: (as, cluster, principal) => ask(() => access.makeAdmin(as, cluster, principal)),
    },
  };
}
