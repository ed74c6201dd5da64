import { failure } from '@postern/core';

export const BadGateway = failure(
  'unavailable',
  'kube.bad_gateway',
  (why: string) => `the server behind this one gave an unusable answer: ${why}`,
);

export const UpstreamUnreachable = failure(
  'unavailable',
  'kube.upstream_unreachable',
  (why: string) => `the server behind this one cannot be reached: ${why}`,
);

/** The request went out and the way broke before an answer came. Kubernetes clients take a Timeout for just that. */
export const OutcomeUnknown = failure(
  'deadline_exceeded',
  'kube.outcome_unknown',
  () =>
    'the request was sent and its answer was lost, so it may have been done or not: look before you send it again',
);

/** The way to an agent broke, and either nothing had gone over it or nothing is changed by asking again. */
export const SendAgain = failure(
  'unavailable',
  'kube.send_again',
  () =>
    'the way to the cluster broke before the request was answered, and nothing was changed: send it again',
);

export const UpstreamTimeout = failure(
  'deadline_exceeded',
  'kube.upstream_timeout',
  () => 'the server behind this one did not answer in time',
);

export const ClientLeft = failure('unavailable', 'kube.client_left', () => 'the client closed the request');
