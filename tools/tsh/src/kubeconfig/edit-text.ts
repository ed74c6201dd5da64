import { canonicalJson, type Json } from '@postern/core';
import { stringify } from 'yaml';
import { addPair, putEntries, removeEntries } from './edit-list.ts';
import { onNewLine } from './entry-text.ts';
import {
  type Entry,
  InvalidKubeconfigFile,
  type Kubeconfig,
  type ListName,
  lists,
  parseKubeconfigText,
} from './kubeconfig.ts';
import { applySplices } from './splice.ts';
import { findKey, valueRange } from './text-nodes.ts';

/** What to change in a kubeconfig. */
export interface KubeconfigChange {
  /** Names of entries to take out. */
  readonly remove?: Readonly<Partial<Record<ListName, ReadonlySet<string>>>>;
  /** Entries to put in, each in the place of the one with its name. */
  readonly put?: Readonly<Partial<Record<ListName, readonly Entry[]>>>;
  readonly currentContext?: string;
}

const emptyKubeconfig =
  'apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\ncurrent-context: ""\nusers: []\n';

/**
 * Changes a kubeconfig as text: every byte that does not belong to a changed entry stays, comments, order and quoting
 * included, in block style as well as in JSON. The result is read again and compared with what was meant, so that a file
 * in a form this does not understand is refused instead of damaged.
 */
export function editKubeconfig(text: string, change: KubeconfigChange): string {
  const start = isBlank(text) ? text + onNewLine(text, text.length, emptyKubeconfig) : text;
  const before = parseKubeconfigText(start);
  let result = start;
  for (const list of Object.keys(lists) as ListName[]) {
    result = removeEntries(result, list, change.remove?.[list] ?? new Set());
    result = putEntries(result, list, change.put?.[list] ?? []);
  }
  if (change.currentContext !== undefined && change.currentContext !== before.currentContext) {
    result = setCurrentContext(result, change.currentContext);
  }
  const isAsMeant = equal(parseKubeconfigText(result), expected(before, change));
  if (!isAsMeant) throw InvalidKubeconfigFile('its layout is too unusual');
  return result;
}

function expected(before: Kubeconfig, change: KubeconfigChange): Kubeconfig {
  const after = (list: ListName) => {
    const removed = change.remove?.[list] ?? new Set();
    const kept = before[list].filter(({ name }) => !removed.has(name));
    const put = new Map((change.put?.[list] ?? []).map((entry) => [entry.name, entry]));
    const names = new Set(kept.map(({ name }) => name));
    return [
      ...kept.map((entry) => put.get(entry.name) ?? entry),
      ...[...put.values()].filter(({ name }) => !names.has(name)),
    ];
  };
  return {
    clusters: after('clusters'),
    users: after('users'),
    contexts: after('contexts'),
    currentContext: change.currentContext ?? before.currentContext,
  };
}

function equal(a: Kubeconfig, b: Kubeconfig): boolean {
  return canonicalJson(a as unknown as Json) === canonicalJson(b as unknown as Json);
}

function setCurrentContext(text: string, name: string): string {
  const { root, pair } = findKey(text, 'current-context');
  const quoted = JSON.stringify(name);
  if (!pair) return addPair(text, root, { key: 'current-context', flow: quoted, block: ` ${quoted}` });
  const range = valueRange(text, pair);
  const value = root.flow ? quoted : stringify(name, { lineWidth: 0 }).trimEnd();
  return applySplices(text, [{ ...range, text: range.start === range.end ? ` ${value}` : value }]);
}

/** Nothing but blanks and comments. */
function isBlank(text: string): boolean {
  return text.split('\n').every((line) => /^\s*(#.*)?$/.test(line));
}
