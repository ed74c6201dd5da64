import { failure } from '@postern/core';

/** No credentials of AWS were found where the SDKs look for them. */
export const NoAwsCredentials = failure(
  'unavailable',
  'aws.no_credentials',
  (why: string) =>
    `no AWS credentials were found in the environment, the shared files, a web identity, the container or the instance: ${why}`,
);
