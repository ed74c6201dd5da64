import { isScalar, type Pair, type YAMLMap, type YAMLSeq } from 'yaml';
import { blockText, flowText, onNewLine } from './entry-text.ts';
import { type Entry, InvalidKubeconfigFile, type ListName } from './kubeconfig.ts';
import { applySplices, endOfLine, indentOf, type Splice, startOfLine, trimmedEnd } from './splice.ts';
import { afterColon, blockItem, findKey, nameOf, rangeOf, valueRange } from './text-nodes.ts';

/** Takes entries out of a list. */
export function removeEntries(text: string, list: ListName, names: ReadonlySet<string>): string {
  const { sequence, pair } = findKey(text, list);
  if (!sequence || !pair) return text;
  const isRemoved = sequence.items.map((item) => names.has(nameOf(item)));
  if (!isRemoved.includes(true)) return text;
  if (sequence.flow) return replaceFlowItems(text, sequence, (_, at) => !isRemoved[at]);
  const splices = sequence.items.flatMap((_, at) =>
    isRemoved[at] ? [{ ...blockItem(text, sequence, at), text: '' }] : [],
  );
  const isEmpty = !isRemoved.includes(false);
  return applySplices(text, isEmpty ? [...splices, { ...afterColon(text, pair), text: ' []' }] : splices);
}

/** Puts entries into a list, each in the place of the one with its name. */
export function putEntries(text: string, list: ListName, entries: readonly Entry[]): string {
  if (entries.length === 0) return text;
  const { root, pair, sequence } = findKey(text, list);
  if (!pair) return addKey(text, root, list, entries);
  if (!sequence) return fillNull(text, root, pair, entries);
  const places = new Map(sequence.items.map((item, at) => [nameOf(item), at]));
  const added = entries.filter(({ name }) => !places.has(name));
  if (sequence.flow && (root.flow || sequence.items.length > 0))
    return putIntoFlow(text, sequence, entries, added);
  if (sequence.flow) return fillEmpty(text, pair, added);
  const indent = indentOf(text, blockItem(text, sequence, 0).start);
  const replaced = entries.flatMap((entry) => {
    const at = places.get(entry.name);
    return at === undefined ? [] : [{ ...blockItem(text, sequence, at), text: blockText([entry], indent) }];
  });
  return insertLines(applySplicesKeeping(text, replaced), list, added, indent);
}

/** Replaces first and finds the end of the list anew, so that no two changes meet in one place. */
function insertLines(text: string, list: ListName, added: readonly Entry[], indent: string): string {
  const { sequence } = findKey(text, list);
  if (added.length === 0 || !sequence) return text;
  const { end } = blockItem(text, sequence, sequence.items.length - 1);
  return applySplices(text, [{ start: end, end, text: onNewLine(text, end, blockText(added, indent)) }]);
}

function applySplicesKeeping(text: string, splices: readonly Splice[]): string {
  return applySplices(
    text,
    splices.map((splice) => ({
      ...splice,
      text: text[splice.end - 1] === '\n' ? splice.text : splice.text.trimEnd(),
    })),
  );
}

function replaceFlowItems(
  text: string,
  sequence: YAMLSeq,
  keep: (item: unknown, at: number) => boolean,
): string {
  return rewriteFlow(
    text,
    sequence,
    sequence.items.filter(keep).map((item) => sourceOf(text, item)),
  );
}

function putIntoFlow(
  text: string,
  sequence: YAMLSeq,
  entries: readonly Entry[],
  added: readonly Entry[],
): string {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const kept = sequence.items.map((item) => {
    const entry = byName.get(nameOf(item));
    return entry ? JSON.stringify(entry) : sourceOf(text, item);
  });
  return rewriteFlow(text, sequence, [...kept, ...added.map((entry) => JSON.stringify(entry))]);
}

function rewriteFlow(text: string, sequence: YAMLSeq, items: readonly string[]): string {
  const [start, end] = rangeOf(sequence);
  return applySplices(text, [{ start, end, text: `[${items.join(', ')}]` }]);
}

function sourceOf(text: string, item: unknown): string {
  const [start, end] = rangeOf(item);
  return text.slice(start, end);
}

/** `clusters: []`, `clusters: null` or `clusters:` becomes a block list below its key. */
function fillEmpty(text: string, pair: Pair, entries: readonly Entry[]): string {
  const { start, end } = valueRange(text, pair);
  const line = endOfLine(text, end);
  const indent = indentOf(text, startOfLine(text, rangeOf(pair.key)[0]));
  const lines = onNewLine(text, line, blockText(entries, indent));
  const blank = end > start && text[start - 1] === ' ' ? start - 1 : start;
  return applySplices(text, [
    { start: blank, end, text: '' },
    { start: line, end: line, text: lines },
  ]);
}

function fillNull(text: string, root: YAMLMap, pair: Pair, entries: readonly Entry[]): string {
  const isNull = pair.value === null || (isScalar(pair.value) && pair.value.value === null);
  if (!isNull) throw InvalidKubeconfigFile('clusters, users and contexts must be lists');
  if (!root.flow) return fillEmpty(text, pair, entries);
  return applySplices(text, [{ ...valueRange(text, pair), text: flowText(entries) }]);
}

function addKey(text: string, root: YAMLMap, key: string, entries: readonly Entry[]): string {
  return addPair(text, root, {
    key,
    flow: flowText(entries),
    block: `\n${blockText(entries, '').trimEnd()}`,
  });
}

/** A key to be added, in both styles. */
interface NewPair {
  readonly key: string;
  readonly flow: string;
  readonly block: string;
}

export function addPair(text: string, root: YAMLMap, { key, flow, block }: NewPair): string {
  const [start, end] = rangeOf(root);
  if (root.flow) {
    const comma = root.items.length > 0 ? ', ' : '';
    return applySplices(text, [
      { start: end - 1, end: end - 1, text: `${comma}${JSON.stringify(key)}: ${flow}` },
    ]);
  }
  const indent = text.slice(startOfLine(text, start), start);
  const line = endOfLine(text, trimmedEnd(text, end));
  const lines = `${key}:${block}`.split('\n').map((each) => `${indent}${each}\n`);
  return applySplices(text, [{ start: line, end: line, text: onNewLine(text, line, lines.join('')) }]);
}
