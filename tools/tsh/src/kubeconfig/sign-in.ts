import { failure } from '@postern/core';
import type { KubeconfigChange } from './edit-text.ts';
import type { Kubeconfig, ListName } from './kubeconfig.ts';
import { entriesOf, marksOf, namespaceOf, type OwnContext } from './own-entries.ts';

const NameTaken = failure(
  'already_exists',
  'tsh.context_name_taken',
  (name: string) =>
    `the kubeconfig has another entry named ${JSON.stringify(name)}: choose a name with --set-context-name`,
);

const listNames: readonly ListName[] = ['clusters', 'users', 'contexts'];

/** Puts contexts in; selects the one named, and remembers what was selected before. */
export function signInChange(
  now: Kubeconfig,
  contexts: readonly OwnContext[],
  selected: string | undefined,
): KubeconfigChange {
  const entries = contexts.map((own) => {
    refuseForeign(now, own.name);
    const previousContext = own.name === selected ? previousOf(now, own.name) : keptPrevious(now, own.name);
    const namespace = own.namespace ?? namespaceOf(now, own.name);
    return entriesOf({ ...own, namespace, marks: { ...own.marks, previousContext } });
  });
  const put = Object.fromEntries(listNames.map((list) => [list, entries.map((entry) => entry[list])]));
  return { put, ...(selected === undefined ? {} : { currentContext: selected }) };
}

function refuseForeign(now: Kubeconfig, name: string): void {
  for (const list of listNames) {
    const existing = now[list].find((entry) => entry.name === name);
    if (existing && !marksOf(existing)) throw NameTaken(name);
  }
}

/** Selecting a selected context again must not make it its own predecessor. */
function previousOf(now: Kubeconfig, name: string): string | undefined {
  if (now.currentContext === name) return keptPrevious(now, name);
  return now.currentContext === '' ? undefined : now.currentContext;
}

function keptPrevious(now: Kubeconfig, name: string): string | undefined {
  return marksOf(now.contexts.find((entry) => entry.name === name))?.previousContext;
}
