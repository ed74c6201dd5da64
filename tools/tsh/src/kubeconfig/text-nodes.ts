import { isMap, isScalar, isSeq, type Pair, parseDocument, type YAMLMap, type YAMLSeq } from 'yaml';
import { InvalidKubeconfigFile, parseOptions } from './kubeconfig.ts';
import { endOfLine, startOfLine, trimmedEnd } from './splice.ts';

/** Offsets in the text of a kubeconfig. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A key of the file and what stands below it. */
export interface Found {
  readonly root: YAMLMap;
  readonly pair?: Pair;
  readonly sequence?: YAMLSeq;
}

/** Finds a key of the file. */
export function findKey(text: string, list: string): Found {
  const root = parseDocument(text, parseOptions).contents;
  if (!isMap(root)) throw InvalidKubeconfigFile('it is not a mapping');
  const pair = root.items.find((item) => isScalar(item.key) && item.key.value === list);
  if (!pair) return { root };
  return isSeq(pair.value) ? { root, pair, sequence: pair.value } : { root, pair };
}

/** The name of a list item. */
export function nameOf(item: unknown): string {
  return isMap(item) ? String(item.get('name')) : '';
}

/** The lines of a block list item, from the start of the line with its dash. */
export function blockItem(text: string, sequence: YAMLSeq, at: number): Range {
  const token = sequence.srcToken?.type === 'block-seq' ? sequence.srcToken.items[at] : undefined;
  const dash = token?.start.find((each) => each.type === 'seq-item-ind');
  const range = rangeOf(sequence.items[at]);
  if (!dash) throw InvalidKubeconfigFile('its layout is too unusual');
  return { start: startOfLine(text, dash.offset), end: endOfLine(text, trimmedEnd(text, range[1])) };
}

/** The offsets of a node of the parsed file. */
export function rangeOf(node: unknown): readonly [number, number] {
  const range = (node as { range?: readonly [number, number, number] | null } | null)?.range;
  if (!range) throw InvalidKubeconfigFile('its layout is too unusual');
  return [range[0], range[1]];
}

/** Behind the colon of a key. */
export function afterColon(text: string, pair: Pair): Range {
  const at = text.indexOf(':', rangeOf(pair.key)[1]) + 1;
  return { start: at, end: at };
}

/** Where the value of a key stands; behind the colon where there is none. */
export function valueRange(text: string, pair: Pair): Range {
  const range = pair.value === null ? undefined : rangeOf(pair.value);
  return range && range[1] > range[0] ? { start: range[0], end: range[1] } : afterColon(text, pair);
}
