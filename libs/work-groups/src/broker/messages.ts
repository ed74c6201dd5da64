import type { BusMessage } from '@postern/bus';
import {
  fromSubjectToken,
  WorkDelivery,
  WorkOffer,
  WorkSettle,
  WorkStatusRequest,
  WorkTake,
} from '@postern/contracts';
import { failure } from '@postern/core';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { maxResultLength } from '../limits.ts';

/** A request that no member sends. */
export const InvalidWorkRequest = failure(
  'invalid_argument',
  'work.invalid_request',
  (what: string) => `this is no request to ${what}`,
);

/** Characters of a request that carries no list and no result. */
const maxLengthOfOthers = 8 * 1024;

/** A kind of request: its name, and whether a value is one. */
interface RequestType<T> {
  readonly name: string;
  readonly maxLength: number;
  readonly validator: { Check(value: unknown): value is T };
}

export const requests = {
  offer: type<WorkOffer>(
    'offer at most 500 tasks with names of 256 characters',
    Compile(WorkOffer),
    200 * 1024,
  ),
  take: type<WorkTake>('take a task', Compile(WorkTake)),
  extend: type<WorkDelivery>('extend a delivery', Compile(WorkDelivery)),
  settle: type<WorkSettle>('settle a delivery', Compile(WorkSettle), maxResultLength + maxLengthOfOthers),
  status: type<Static<typeof WorkStatusRequest>>('read the status of a group', Compile(WorkStatusRequest)),
} as const;

/** A request, and who the server knows to have sent it. */
export interface WorkRequest<T> {
  readonly agentId: string;
  readonly body: T;
}

/** Reads an untrusted request. */
export function readRequest<T>(
  message: BusMessage,
  { name, maxLength, validator }: RequestType<T>,
): WorkRequest<T> {
  if (message.text().length > maxLength) throw InvalidWorkRequest(`${name}: it is too long`);
  const body: unknown = message.json();
  if (!validator.Check(body)) throw InvalidWorkRequest(name);
  return { agentId: senderOf(message), body };
}

/** The bus lets an agent speak under its own id only. */
export function senderOf({ subject }: BusMessage): string {
  return fromSubjectToken(subject.split('.')[1]!);
}

function type<T>(
  name: string,
  validator: { Check(value: unknown): boolean },
  maxLength = maxLengthOfOthers,
): RequestType<T> {
  return { name, maxLength, validator: validator as RequestType<T>['validator'] };
}
