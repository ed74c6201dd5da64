import { stringify } from 'yaml';
import type { Entry } from './kubeconfig.ts';

/** Entries as lines of a block list. */
export function blockText(entries: readonly Entry[], indent: string): string {
  const text = stringify(entries, { lineWidth: 0, compat: 'yaml-1.1' });
  return text.replaceAll(/^(?=.)/gm, indent);
}

/** Entries as a list on one line, which is JSON as well. */
export function flowText(entries: readonly Entry[]): string {
  return `[${entries.map((entry) => JSON.stringify(entry)).join(', ')}]`;
}

/** A file may lack its last line feed. */
export function onNewLine(text: string, at: number, lines: string): string {
  return at === 0 || text[at - 1] === '\n' ? lines : `\n${lines}`;
}
