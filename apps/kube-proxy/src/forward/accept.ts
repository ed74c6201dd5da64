import { failure } from '@postern/core';

/** A client that takes no JSON cannot be answered where the answer has to be read. */
export const NotAcceptable = failure(
  'invalid_argument',
  'kube.not_acceptable',
  () => 'your roles limit which objects you may see, so this answer is only available as application/json',
);

const transforms = new Set(['Table', 'PartialObjectMetadataList', 'PartialObjectMetadata']);

/** The JSON forms a client accepts, rebuilt, in its order of preference. Anything that could not be filtered is left out. */
export function jsonOnly(accept: string | undefined): string {
  if (accept === undefined || accept.trim() === '') return 'application/json';
  const ranges = accept.split(',').slice(0, 32).map(parseRange);
  const kept = ranges.filter((range) => range !== undefined).toSorted((a, b) => b.quality - a.quality);
  if (kept.length === 0) throw NotAcceptable();
  return [...new Set(kept.map((range) => range.text))].join(',');
}

interface Range {
  readonly text: string;
  readonly quality: number;
}

function parseRange(text: string): Range | undefined {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim());
  if (!['application/json', 'application/*', '*/*'].includes(type.toLowerCase())) return undefined;
  const parameters = new Map(rest.map((part) => splitParameter(part)));
  const quality = parameters.has('q') ? Number(parameters.get('q')) : 1;
  if (!(quality > 0 && quality <= 1)) return undefined;
  const as = parameters.get('as');
  if (as === undefined) return { text: 'application/json', quality };
  const version = parameters.get('v');
  if (!transforms.has(as) || parameters.get('g') !== 'meta.k8s.io' || !/^v1(?:beta1)?$/.test(version ?? ''))
    return undefined;
  return { text: `application/json;as=${as};v=${version};g=meta.k8s.io`, quality };
}

function splitParameter(part: string): [string, string] {
  const equals = part.indexOf('=');
  return equals < 0
    ? [part.toLowerCase(), '']
    : [part.slice(0, equals).trim().toLowerCase(), part.slice(equals + 1).trim()];
}
