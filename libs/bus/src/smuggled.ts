import type { Msg, MsgHdrs } from '@nats-io/transport-node';
import { viewStream } from './streams.ts';

/** The field in which the server names, in every copy of a stored message, the JetStream stream that it was copied from. */
export const copiedFrom = 'Nats-Stream';

/**
 * Whether a message is not what its publisher could have published. Who may read a stream names the subject of the answer, and
 * the server publishes the stored message where the one who asks may not: into the events of another service, or as an entry of
 * a view. The server adds its field to those that a message brings along, so none can look as if it came from elsewhere.
 */
export function isSmuggled(wanted: string, { subject, headers }: Pick<Msg, 'subject' | 'headers'>): boolean {
  // What a consumer delivers comes under the subject that it was stored under, wherever it comes.
  if (!isOf(wanted, subject)) return true;
  const republished = subject.startsWith('live.') ? [viewStream().name] : [];
  return copiesOf(headers).join(' ') !== republished.join(' ');
}

/** The streams that a message was copied from, one after the other. */
export function copiesOf(headers: MsgHdrs | undefined): string[] {
  return headers?.values(copiedFrom) ?? [];
}

function isOf(wanted: string, subject: string): boolean {
  const [tokens, given] = [wanted.split('.'), subject.split('.')];
  const isOpen = tokens.at(-1) === '>';
  const heads = isOpen ? tokens.slice(0, -1) : tokens;
  const isLong = isOpen ? given.length > heads.length : given.length === heads.length;
  return isLong && heads.every((head, index) => head === '*' || head === given[index]);
}
