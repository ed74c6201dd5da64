import { failure } from '@postern/core';

export const SpdyViolation = failure(
  'invalid_argument',
  'kube.spdy_violation',
  (why: string) => `the SPDY stream was ended because it breaks SPDY/3.1: ${why}`,
);
