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

export const UpstreamTimeout = failure(
  'deadline_exceeded',
  'kube.upstream_timeout',
  () => 'the server behind this one did not answer in time',
);

export const ClientLeft = failure('unavailable', 'kube.client_left', () => 'the client closed the request');
