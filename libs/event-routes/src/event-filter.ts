import type { DurableMessage } from '@postern/bus';
import { parseEventSubject } from '@postern/contracts';
import { failure } from '@postern/core';

/** A pattern that no subject can match. */
const InvalidSubject = failure(
  'invalid_argument',
  'events.invalid_subject',
  (why: string) =>
    `invalid subject: ${why}; write an aggregate like kube_cluster/prod, or a pattern like evt.resource.*.role.>`,
);

/** Which events are asked for. */
export interface EventFilter {
  readonly type?: string | undefined;
  /** An aggregate, or a pattern of bus subjects with `*` and `>`. */
  readonly subject?: string | undefined;
}

/** Whether a message is one of those, decided by its subject alone. */
export function eventFilter({
  type,
  subject,
}: EventFilter): (message: Pick<DurableMessage, 'subject'>) => boolean {
  const isOfSubject = subject === undefined ? () => true : subjectFilter(subject);
  return (message) =>
    isOfSubject(message.subject) && (type === undefined || message.subject.endsWith(`.${type}`));
}

function subjectFilter(wanted: string): (subject: string) => boolean {
  if (wanted.includes('/')) return (subject) => parseEventSubject(subject)?.stream === wanted;
  const tokens = wanted.split('.');
  if (tokens.includes('')) throw InvalidSubject('a part of it is empty');
  const rest = tokens.indexOf('>');
  if (rest !== -1 && rest !== tokens.length - 1) throw InvalidSubject('> stands at the end');
  const heads = rest === -1 ? tokens : tokens.slice(0, -1);
  return (subject) => {
    const parts = subject.split('.');
    const isLong = rest === -1 ? parts.length === heads.length : parts.length > heads.length;
    return isLong && heads.every((head, index) => head === '*' || head === parts[index]);
  };
}
