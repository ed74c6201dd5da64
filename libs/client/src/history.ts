import type {
  ChangesQuery,
  ChangesReply,
  FieldChange,
  ResourceChange,
  ResourceHistoryQuery,
  RestoreReply,
  RestoreRequest,
} from '@postern/contracts';
import { isPlainObject, uuidv7 } from '@postern/core';
import { documentOf, nameInPath, type ResourceDocument, UnreadableAnswer } from './resources.ts';
import type { Transport } from './transport.ts';

export type { ChangesReply, FieldChange, ResourceChange, RestoreReply };

/** A moment in the life of a resource: a time (RFC 3339), or one of its revisions. */
export type ResourceMoment = { readonly time: string } | { readonly revision: string };

/** A change, by the resource and its revision after it. */
export interface ChangeRef {
  readonly kind: string;
  readonly name: string;
  readonly revision: string;
}

/** What resources were, who changed them, and the way back. Kinds are canonical. */
export interface HistoryApi {
  /** The changes of one resource, newest first; `next` of the reply goes on with older ones. */
  of(kind: string, name: string, query?: ResourceHistoryQuery): Promise<ChangesReply>;
  /** The changes of all resources. They are listed a moment after they were made: `including` waits for one. */
  changes(query?: Omit<ChangesQuery, 'including'> & { including?: ChangeRef }): Promise<ChangesReply>;
  /** A resource as it was, without secrets. */
  at(kind: string, name: string, moment: ResourceMoment): Promise<ResourceDocument>;
  restore(kind: string, name: string, request: RestoreRequest): Promise<RestoreReply>;
}

/** Calls through a transport. */
export function historyApi(transport: () => Promise<Transport>): HistoryApi {
  const send: Transport['send'] = async (call) => (await transport()).send(call);
  const get = async (path: string) => (await send({ method: 'GET', path })).body;
  const pathOf = (kind: string, name: string) =>
    `/v1/history/resources/${encodeURIComponent(kind)}/${nameInPath(kind, name)}`;
  return {
    of: async (kind, name, query = {}) => changesOf(await get(`${pathOf(kind, name)}${textOf(query)}`)),
    changes: async ({ including, ...query } = {}) =>
      changesOf(
        await get(
          `/v1/history/changes${textOf({ ...query, including: including && includingText(including) })}`,
        ),
      ),
    at: async (kind, name, moment) =>
      documentOf(await get(`${pathOf(kind, name)}/at${textOf({ ...moment })}`), kind),
    async restore(kind, name, request) {
      const { body } = await send({
        method: 'POST',
        path: `${pathOf(kind, name)}/restore`,
        body: request,
        headers: { 'postern-command-id': uuidv7() },
      });
      return checked<RestoreReply>(body, 'the restore', ['over', 'fields', 'keptSecrets', 'resource']);
    },
  };
}

function includingText({ kind, name, revision }: ChangeRef): string {
  return `${kind}/${decodeURIComponent(nameInPath(kind, name))}@${revision}`;
}

function changesOf(body: unknown): ChangesReply {
  return checked<ChangesReply>(body, 'the history', ['changes', 'next']);
}

function textOf(query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const text = given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
  return text === '' ? '' : `?${text}`;
}

function checked<T>(body: unknown, what: string, fields: readonly string[]): T {
  if (!isPlainObject(body) || fields.some((field) => body[field] === undefined)) throw UnreadableAnswer(what);
  return body as T;
}
