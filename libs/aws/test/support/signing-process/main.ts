import { systemClock } from '@postern/core';
import { signForSts } from '../../../src/index.ts';

/** A process that signs once by what it finds in its environment, and says which key it found or why there is none. */
const unsigned = { method: 'POST', body: '', headers: {} };
const found = await signForSts(unsigned, { env: process.env, clock: systemClock }).then(
  ({ headers }) => /Credential=(\w+)\//.exec(headers['authorization'] ?? '')?.[1],
  (error: Error) => error.message,
);
process.stdout.write(`${found}\n`);
