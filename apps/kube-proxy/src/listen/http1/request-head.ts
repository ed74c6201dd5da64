import { fieldName, isHeadText } from '@postern/kube';
import { malformed, Violation } from './violation.ts';

/** What header fields say of how a request goes on. */
export interface Framing {
  /** Name and value in turn, names in lower case. The same list for the same text. */
  readonly rawHeaders: readonly string[];
  /** Bytes of the body; undefined where it comes in chunks. */
  readonly length: number | undefined;
  readonly hosts: number;
  /** Whether the client closes the connection after the answer. */
  readonly closes: boolean;
  /** Whether it asks to switch protocols, whichever. */
  readonly upgrades: boolean;
  /** Whether the client waits to be told to send the body. */
  readonly awaitsContinue: boolean;
}

/** The head of a request. */
export interface RequestHead extends Framing {
  readonly method: string;
  /** As it came: printable ASCII, and what it means is for others to say. */
  readonly target: string;
  /** Whether it is of HTTP/1.0, which knows neither chunks nor upgrades nor connections that are kept. */
  readonly isOld: boolean;
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']);
const targetPattern = /^[\x21-\x7e]+$/;
const versionLength = ' HTTP/1.1'.length;

/**
 * Reads heads of requests (RFC 9112), and nothing but what can be read in one way: a length is said once and in one way, the only
 * transfer coding is `chunked`, there is one Host, and no line is folded. Whatever else there is throws a Violation.
 */
export class RequestHeads {
  /** Fields of the request before: a client sends the same ones again and again. */
  #block = '';
  #framing: Framing | undefined;

  /** Reads a head, without the empty line at its end. */
  read(text: string): RequestHead {
    const end = text.indexOf('\r\n');
    const line = end < 0 ? text : text.slice(0, end);
    const { method, target, isOld } = requestLine(line);
    const { rawHeaders, length, hosts, closes, upgrades, awaitsContinue } = this.#fields(
      end < 0 ? '' : text.slice(end),
    );
    if (!isOld && hosts !== 1) throw malformed('it needs one Host');
    if (isOld && length === undefined) throw malformed('HTTP/1.0 knows no chunks');
    return {
      method,
      target,
      isOld,
      rawHeaders,
      length,
      hosts,
      closes: closes || isOld,
      upgrades: upgrades && !isOld,
      awaitsContinue: awaitsContinue && !isOld,
    };
  }

  #fields(block: string): Framing {
    if (this.#framing && block === this.#block) return this.#framing;
    const framing = framingOf(readFields(block));
    // What is cut out of a longer text keeps that in memory.
    this.#block = Buffer.from(block, 'latin1').toString('latin1');
    this.#framing = framing;
    return framing;
  }
}

function requestLine(line: string): Pick<RequestHead, 'method' | 'target' | 'isOld'> {
  const blank = line.indexOf(' ');
  const method = line.slice(0, Math.max(0, blank));
  const version = line.slice(-versionLength);
  const isOld = version === ' HTTP/1.0';
  const target = line.slice(blank + 1, -versionLength);
  if ((!isOld && version !== ' HTTP/1.1') || !targetPattern.test(target))
    throw malformed('it does not begin with a method, a path and HTTP/1.1');
  if (method === 'CONNECT') throw new Violation(405, 'CONNECT is not allowed');
  if (!methods.has(method)) throw malformed('its method is unknown');
  return { method, target, isOld };
}

/** The fields of a block in which each line begins with CR LF. */
function readFields(block: string): string[] {
  if (!isHeadText(block)) throw malformed('its head has control characters');
  const fields: string[] = [];
  for (let end = block === '' ? -1 : 0; end >= 0;) {
    const at = end + 2;
    end = block.indexOf('\r\n', at);
    const colon = block.indexOf(':', at);
    const name = colon <= at || (end >= 0 && colon > end) ? undefined : fieldName(block.slice(at, colon));
    if (name === undefined) throw malformed('a header in it is malformed');
    fields.push(name, withoutBlanks(block, colon + 1, end < 0 ? block.length : end));
  }
  return fields;
}

/** Only spaces and tabs are blank here; what else `trim` takes for that belongs to the value. */
function withoutBlanks(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  // In one piece: it may be kept for longer than the head it was cut out of.
  return Buffer.from(text.slice(start, end), 'latin1').toString('latin1');
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function framingOf(rawHeaders: readonly string[]): Framing {
  const valuesOf = (name: string) =>
    rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1] === name);
  const options = valuesOf('connection').flatMap((value) =>
    value.split(',').map((option) => option.trim().toLowerCase()),
  );
  const expected = valuesOf('expect');
  if (expected.some((each) => each.toLowerCase() !== '100-continue'))
    throw new Violation(417, 'it expects what is unknown');
  return {
    rawHeaders,
    length: lengthOf(valuesOf('content-length'), valuesOf('transfer-encoding')),
    hosts: valuesOf('host').length,
    closes: options.includes('close'),
    upgrades: options.includes('upgrade') && valuesOf('upgrade').length > 0,
    awaitsContinue: expected.length > 0,
  };
}

/** How long the body is; undefined where it comes in chunks (RFC 9112, 6.3). */
function lengthOf(lengths: readonly string[], codings: readonly string[]): number | undefined {
  if (codings.length === 0 && lengths.length === 0) return 0;
  if (codings.length + lengths.length > 1) throw malformed('its length is said more than once');
  const [length] = lengths;
  if (length !== undefined) {
    if (!/^\d{1,15}$/.test(length)) throw malformed('its length is not a number');
    return Number(length);
  }
  if (codings[0]!.toLowerCase() !== 'chunked') throw malformed('it has an unknown transfer coding');
  return undefined;
}
