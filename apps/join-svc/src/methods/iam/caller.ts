import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { isPlainObject, type Json, parseJson } from '@postern/core';
import { ProofRefused } from '../method.ts';

/** Who AWS says signed a request. */
export interface Caller {
  readonly account: string;
  readonly arn: string;
  /** Unique id of the principal, of a role before the colon: it changes when the principal is made anew under the same name. */
  readonly userId: string;
}

const Answer = Compile(
  Type.Object({
    GetCallerIdentityResponse: Type.Object({
      GetCallerIdentityResult: Type.Object({
        Account: Type.String({ pattern: '^[0-9]{12}$' }),
        Arn: Type.String({ maxLength: 2048 }),
        UserId: Type.String({ pattern: '^[A-Za-z0-9_+=,.@:/-]{1,256}$' }),
      }),
    }),
  }),
);

// Names as IAM allows them; a user may have a path. Session names have no slash.
const word = '[A-Za-z0-9_+=,.@-]{1,128}';
const arnForm = new RegExp(
  `^arn:([a-z-]{3,20}):(?:sts::([0-9]{12}):(?:assumed-role/${word}/${word}|federated-user/${word})|iam::([0-9]{12}):user/(?:[A-Za-z0-9_+=,.@/-]{1,512}/)?${word})$`,
);

/**
 * Reads the answer of STS strictly: one JSON document, no name twice, an account and an ARN of that account in the partition that was
 * asked. The root user of an account is nobody that a rule can mean, and is refused.
 */
export function readCaller(text: string, partition: string): Caller {
  const answer = readAnswer(text);
  if (!Answer.Check(answer))
    throw ProofRefused('STS answered something that is no GetCallerIdentityResponse');
  const {
    Account: account,
    Arn: arn,
    UserId: userId,
  } = answer.GetCallerIdentityResponse.GetCallerIdentityResult;
  const [, found, role, user] = arnForm.exec(arn) ?? [];
  if (found === undefined) throw ProofRefused('the caller is no assumed role, federated user or IAM user');
  if (found !== partition) throw ProofRefused(`the caller is of the partition ${found}, not of ${partition}`);
  if ((role ?? user) !== account) throw ProofRefused('STS answered with an ARN of another account');
  return { account, arn, userId };
}

function readAnswer(text: string): Json {
  try {
    const value = parseJson(text);
    if (keysIn(text) === keysOf(value)) return value;
  } catch (error) {
    throw ProofRefused.from(error, 'STS answered something that is no JSON');
  }
  throw ProofRefused('STS answered with a name that is there twice');
}

/** How many names a JSON text has; a parser keeps the last of those that are the same. */
function keysIn(text: string): number {
  return [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter(([, colon]) => colon !== undefined).length;
}

function keysOf(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((count: number, item) => count + keysOf(item), 0);
  if (!isPlainObject(value)) return 0;
  return Object.values(value).reduce((count: number, item) => count + 1 + keysOf(item), 0);
}
