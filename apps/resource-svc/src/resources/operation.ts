import { InvalidRequest } from '@postern/http';
import type { RequestInfo } from '@postern/http';
import { Type } from 'typebox';

const Kind = Type.String({ minLength: 1, maxLength: 60 });

export const KindParams = Type.Object({ kind: Kind });
export const NamedParams = Type.Object({ kind: Kind, name: Type.String({ minLength: 1, maxLength: 253 }) });

/** Nothing is coerced: a query value is a text. */
export const ReadQuery = Type.Object({
  withSecrets: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')])),
});

/** A resource document; its kind checks what is in it. */
export const DocumentBody = Type.Object({}, { additionalProperties: true });

/** The revision that `If-Match` names, if there is one. */
export function revisionIn(headers: RequestInfo['headers']): string | undefined {
  const value = headers['if-match'];
  if (value === undefined) return undefined;
  const match = typeof value === 'string' ? /^"([\x21\x23-\x7e]{1,100})"$/.exec(value) : undefined;
  if (!match) throw InvalidRequest('If-Match must hold one revision in double quotes');
  return match[1];
}
