import type { ProvingMethod } from './method.ts';

/** Who knows the token's name has proved enough. */
export const tokenMethod: ProvingMethod = {
  name: 'token',
  hasChallenge: false,
  prove: () => Promise.resolve(undefined),
};
