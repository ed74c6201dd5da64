import { errors } from 'undici';

/** A request as it is written, name and value of headers in turn. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly string[];
}

// oxlint-disable-next-line no-control-regex -- what would end a header, or hide in one
const notInValue = /[\0\r\n]/;
const notInPath = /[^\x21-\x7e]/;
const token = /^[!#$%&'*+\-.^_`|~\dA-Za-z]+$/;
/** Names of headers that were checked before: they are constants of programs. */
const knownNames = new Set<string>();
const maxKnownNames = 500;

/**
 * The head of an HTTP/1.1 request without its last line. Whoever builds requests has checked what goes into them; here nothing
 * that would begin a second request gets through, whoever forgot to.
 */
export function formatHead({ method, path, headers }: RequestHead): string {
  if (!token.test(method) || path[0] !== '/' || notInPath.test(path))
    throw new errors.InvalidArgumentError('a method or path cannot be sent');
  let text = `${method} ${path} HTTP/1.1\r\n`;
  for (let at = 0; at < headers.length; at += 2) {
    const value = headers[at + 1]!;
    if (notInValue.test(value) || !isName(headers[at]!))
      throw new errors.InvalidArgumentError(`the header ${JSON.stringify(headers[at])} cannot be sent`);
    text += `${headers[at]}: ${value}\r\n`;
  }
  return text;
}

function isName(text: string): boolean {
  if (knownNames.has(text)) return true;
  if (!token.test(text)) return false;
  if (knownNames.size < maxKnownNames) knownNames.add(text);
  return true;
}

/** The value of a header, by its name in lower case. */
export function headerOf(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    const key = headers[at]!;
    if (key.length === name.length && key.toLowerCase() === name) return headers[at + 1];
  }
  return undefined;
}
