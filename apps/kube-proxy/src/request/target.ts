import { failure } from '@postern/core';

/**
 * A request target that could mean one thing to us and another to the API server: dot segments, encoded slashes, empty
 * segments, control characters, absolute forms. None of them comes from an honest client.
 */
export const InvalidPath = failure(
  'invalid_argument',
  'kube.invalid_path',
  (why: string) => `invalid_path: ${why}; send the path in its canonical form`,
);

/** A request target taken apart: decoded path segments and the raw query, without its question mark. */
export interface Target {
  readonly segments: readonly string[];
  /** Whether the path ended with a slash; only proxied paths may. */
  readonly slash: boolean;
  readonly query: string;
}

const maxTarget = 16_384;

/**
 * Reads an origin-form request target. Written by hand because `new URL(target, base)` lets `//host` and `http://host`
 * replace the base, turns backslashes into slashes and drops tabs.
 */
export function parseTarget(target: string): Target {
  if (target.length > maxTarget) throw InvalidPath('it is too long');
  if (target.charCodeAt(0) !== 0x2f) throw InvalidPath('it must begin with a slash');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const query = mark < 0 ? '' : target.slice(mark + 1);
  if (path === '/') return { segments: [], slash: true, query };
  const slash = path.endsWith('/');
  const raw = path.slice(1, slash ? -1 : undefined).split('/');
  return { segments: plainPath.test(path) ? raw : raw.map(decodeSegment), slash, query };
}

// Everything a Kubernetes name, group or subresource is written with. A semicolon starts a path parameter to some servers.
const plain = /^[A-Za-z0-9\-._~!$&'()*+,=:@]+$/;

/** A path all of whose segments are plain, and none made of dots: nearly every one, and read in one go. */
const plainPath = /^(?:\/(?!\.+(?:\/|$))[A-Za-z0-9\-._~!$&'()*+,=:@]+)+\/?$/;

function decodeSegment(segment: string): string {
  if (segment === '') throw InvalidPath('a segment is empty');
  const decoded = plain.test(segment) ? segment : decodeEscapes(segment);
  if (/^\.+$/.test(decoded)) throw InvalidPath('a segment is made of dots');
  return decoded;
}

function decodeEscapes(segment: string): string {
  return segment.replace(
    /%([0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,=:@]/g,
    (match, hex: string | undefined) => {
      if (hex === undefined)
        throw InvalidPath('it has a character that must not be there, or a bad percent escape');
      const char = String.fromCharCode(Number.parseInt(hex, 16));
      if (!/[ !"$&'()*+,:<=>@[\]^`{|}]/.test(char)) throw InvalidPath(`the escape ${match} is not canonical`);
      return char;
    },
  );
}

/** A path of decoded segments as it goes upstream, without a slash at its end. */
export function encodePath(segments: readonly string[]): string {
  const path = `/${segments.join('/')}`;
  return plainPath.test(path) ? path : `/${segments.map(encodeSegment).join('/')}`;
}

/** A decoded segment as it goes upstream. */
export function encodeSegment(segment: string): string {
  if (plain.test(segment)) return segment;
  return segment.replace(
    /[^A-Za-z0-9\-._~!$&'()*+,=:@]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
