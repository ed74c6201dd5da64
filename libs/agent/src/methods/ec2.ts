import { failure, messageOf } from '@postern/core';
import type { ProvingMethod } from './method.ts';

/** The metadata service of EC2 does not give the identity document of this machine. */
export const NoInstanceIdentity = failure(
  'unavailable',
  'agent.no_instance_identity',
  (why: string) => `${why}; the method ec2 is for EC2 instances with IMDSv2`,
);

/** An instance shows its signed identity document (EC2 user guide, "Instance identity documents"). */
export const ec2Method: ProvingMethod = {
  name: 'ec2',
  hasChallenge: false,
  prove: async ({ env, signal }) => {
    const { readInstanceMetadata } = await import('@postern/aws');
    try {
      const document = await readInstanceMetadata('/latest/dynamic/instance-identity/rsa2048', {
        env,
        signal,
      });
      return { document: document.trim() };
    } catch (error) {
      signal?.throwIfAborted();
      throw NoInstanceIdentity.from(error, messageOf(error));
    }
  },
};
