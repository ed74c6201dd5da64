import { failure } from '@postern/core';
import { protobufType } from '../protobuf/protobuf-fields.ts';

/** A client that takes nothing we can read cannot be answered where the answer has to be read. */
export const NotAcceptable = failure(
  'invalid_argument',
  'kube.not_acceptable',
  () =>
    'your roles limit which objects you may see, so this answer is only available as application/json or application/vnd.kubernetes.protobuf',
);

const jsonType = 'application/json';
/** What may be asked for instead of the objects themselves. There is no Table in protobuf. */
const transforms: Readonly<Record<string, readonly string[]>> = {
  [jsonType]: ['Table', 'PartialObjectMetadataList', 'PartialObjectMetadata'],
  [protobufType]: ['PartialObjectMetadataList', 'PartialObjectMetadata'],
};

const maxRanges = 32;

/**
 * The forms of an answer that its client accepts and that can be filtered, rebuilt, in the client's order of preference. With
 * `prefersStreaming` JSON comes first, whatever the client prefers: a list in protobuf has to be held until its end.
 */
export function filterableAccept(accept: string | undefined, prefersStreaming: boolean): string {
  if (accept === undefined || accept.trim() === '') return jsonType;
  const ranges = accept.split(',').slice(0, maxRanges).map(parseRange);
  const kept = ranges
    .filter((range) => range !== undefined)
    .toSorted((a, b) => Number(prefersStreaming) * (b.streams - a.streams) || b.quality - a.quality);
  if (kept.length === 0) throw NotAcceptable();
  return [...new Set(kept.map((range) => range.text))].join(',');
}

interface Range {
  readonly text: string;
  readonly quality: number;
  /** 1 for what can be filtered as it streams by, else 0. */
  readonly streams: number;
}

function parseRange(text: string): Range | undefined {
  const [written = '', ...rest] = text.split(';').map((part) => part.trim());
  const type = typeOf(written.toLowerCase());
  const parameters = new Map(rest.map((part) => splitParameter(part)));
  const quality = parameters.has('q') ? Number(parameters.get('q')) : 1;
  if (type === undefined || !(quality > 0 && quality <= 1)) return undefined;
  const transform = transformOf(type, parameters);
  return transform === undefined
    ? undefined
    : { text: type + transform, quality, streams: Number(type === jsonType) };
}

function typeOf(range: string): string | undefined {
  if (range === 'application/*' || range === '*/*') return jsonType;
  return Object.hasOwn(transforms, range) ? range : undefined;
}

/** Parameters that ask for another form of the objects; undefined for a form that could not be filtered. */
function transformOf(type: string, parameters: ReadonlyMap<string, string>): string | undefined {
  const as = parameters.get('as');
  if (as === undefined) return '';
  const version = parameters.get('v') ?? '';
  const isKnown = transforms[type]!.includes(as) && /^v1(?:beta1)?$/.test(version);
  return isKnown && parameters.get('g') === 'meta.k8s.io'
    ? `;as=${as};v=${version};g=meta.k8s.io`
    : undefined;
}

function splitParameter(part: string): [string, string] {
  const equals = part.indexOf('=');
  return equals < 0
    ? [part.toLowerCase(), '']
    : [part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim()];
}
