import type {
  RecordingContent,
  RecordingRow,
  RecordingsQuery,
  RecordingsReply,
  RecordingView,
} from '@postern/contracts';
import { isPlainObject } from '@postern/core';
import { UnreadableAnswer } from './resources.ts';

export type { RecordingRow, RecordingView };

/** Recordings of sessions. */
export interface RecordingsApi {
  /** The newest first, of those the caller may see; `next` of the reply goes on with older ones. */
  list(query?: RecordingsQuery): Promise<RecordingsReply>;
  /** What a recording is, and what its content must come to. */
  get(sessionId: string): Promise<RecordingView>;
  /** The bytes from a place on; none at the end. */
  read(sessionId: string, offset: number): Promise<Buffer>;
}

/** Calls through a function that reads a path. */
export function recordingsApi(get: (path: string) => Promise<unknown>): RecordingsApi {
  const pathOf = (id: string) => `/v1/recordings/${encodeURIComponent(id)}`;
  return {
    list: async (query = {}) => {
      const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined));
      return checked(await get(`/v1/recordings?${text.toString()}`), 'recordings', ['recordings', 'next']);
    },
    get: async (id) => checked(await get(pathOf(id)), 'a recording', ['recording', 'sha256']),
    read: async (id, offset) => {
      const path = `${pathOf(id)}/parts/${offset}`;
      const { data } = checked<RecordingContent>(await get(path), 'a part of a recording', ['data']);
      return Buffer.from(data, 'base64');
    },
  };
}

function checked<T>(body: unknown, what: string, fields: readonly string[]): T {
  if (!isPlainObject(body) || fields.some((field) => body[field] === undefined)) throw UnreadableAnswer(what);
  return body as T;
}
