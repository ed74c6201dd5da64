import { failure, isPlainObject } from '@postern/core';
import { parseDocument } from 'yaml';

export const InvalidKubeconfigFile = failure(
  'failed_precondition',
  'tsh.invalid_kubeconfig',
  (why: string) => `this is not a kubeconfig that can be changed safely: ${why}`,
);

/** The three lists of a kubeconfig, and what each calls its content. */
export const lists = { clusters: 'cluster', users: 'user', contexts: 'context' } as const;

/** One of the three lists. */
export type ListName = keyof typeof lists;

/** An entry of a list, as it stands in the file. */
export interface Entry {
  readonly name: string;
  readonly [field: string]: unknown;
}

/** What a kubeconfig says. */
export interface Kubeconfig extends Readonly<Record<ListName, readonly Entry[]>> {
  readonly currentContext: string;
}

/** Reads a kubeconfig, or throws where it is not one. An empty text is an empty kubeconfig. */
export function parseKubeconfigText(text: string): Kubeconfig {
  const document = parseDocument(text, parseOptions);
  const [problem] = document.errors;
  if (problem) throw InvalidKubeconfigFile(problem.message.split('\n')[0] ?? 'it is not YAML');
  const value: unknown = document.toJS() ?? {};
  if (!isPlainObject(value)) throw InvalidKubeconfigFile('it is not a mapping');
  const current = value['current-context'];
  return {
    clusters: entriesOf(value, 'clusters'),
    users: entriesOf(value, 'users'),
    contexts: entriesOf(value, 'contexts'),
    currentContext: typeof current === 'string' ? current : '',
  };
}

/** Source tokens tell where the dash of a list item stands. */
export const parseOptions = { keepSourceTokens: true, prettyErrors: false, logLevel: 'error' } as const;

function entriesOf(value: Record<string, unknown>, list: ListName): Entry[] {
  const items = value[list] ?? [];
  if (!Array.isArray(items)) throw InvalidKubeconfigFile(`${list} is not a list`);
  return items.map((item: unknown) => {
    if (!isPlainObject(item) || typeof item['name'] !== 'string')
      throw InvalidKubeconfigFile(`an entry of ${list} has no name`);
    return item as unknown as Entry;
  });
}
