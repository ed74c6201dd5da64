import { oneLine } from '@postern/cli';
import type { EventView } from '@postern/client';

const maxDataCharacters = 200;

/** An event as one line for people: when, what, of which aggregate, by whom, and the beginning of its data. */
export function eventLine({ at, type, stream, version, actor, data }: EventView): string {
  const text = JSON.stringify(data);
  const short = text.length > maxDataCharacters ? `${text.slice(0, maxDataCharacters)}…` : text;
  const by = actor === '' ? '-' : actor.replace(/^spiffe:\/\/[^/]+\//, '');
  return oneLine(`${at}  ${type}  ${stream}@${version}  ${by}  ${short}`);
}
