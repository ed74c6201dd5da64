import { JsonListFilter } from '../json/json-list.ts';
import { JsonWatchFilter } from '../json/json-watch.ts';
import { ProtobufListFilter } from '../protobuf/protobuf-list.ts';
import { ProtobufWatchFilter } from '../protobuf/protobuf-watch.ts';
import { protobufType } from '../protobuf/protobuf-fields.ts';
import { ExpiredAnswer } from './expired-answer.ts';
import { type BodyFilter, type ListRules, UnreadableAnswer } from './body-filter.ts';

const jsonType = 'application/json';
const expired = 410;

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** What a filter for the answer to a list or watch works with. */
export interface AnswerRules extends ListRules {
  readonly isWatch: boolean;
  /** Whether the rows of Tables lose their objects, which were asked for to know whose they are. */
  readonly dropsObjects: boolean;
}

/**
 * The filter for an answer, by its status and the encoding it is in; undefined for errors, which are about no object but the
 * one asked for. Compressed answers are refused: the request asked for none, and what decompression makes of a few bytes has
 * no bound.
 */
export function answerFilter(status: number, headers: Headers, rules: AnswerRules): BodyFilter | undefined {
  const isAnswer = status >= 200 && status < 300;
  if (!isAnswer && status !== expired) return undefined;
  const { 'content-encoding': compression, 'content-type': contentType } = headers;
  if (compression !== undefined && compression !== 'identity') throw UnreadableAnswer('it is compressed');
  const type = typeof contentType === 'string' ? contentType.split(';', 1)[0]!.trim().toLowerCase() : '';
  if (type !== jsonType && type !== protobufType) throw UnreadableAnswer('it is neither JSON nor protobuf');
  if (!isAnswer) return new ExpiredAnswer(type);
  if (type === jsonType) return rules.isWatch ? new JsonWatchFilter(rules) : new JsonListFilter(rules);
  return rules.isWatch ? new ProtobufWatchFilter(rules.maySee) : new ProtobufListFilter(rules);
}
