import { compilePattern, isLiteral, isRegex, isTemplate, type RoleLabels } from '@postern/contracts';
import type { KubeRule } from '../role-versions.ts';

/*
 * Whether one pattern, rule or selector includes another, as far as that can be told without doubt: "no" may be wrong, "yes"
 * may not. Languages of regular expressions could be compared exactly, but nobody could predict what the answer will be.
 */

/** Whether everything that `narrow` fits is fitted by `wide` too. */
export function coversPattern(wide: string, narrow: string): boolean {
  if (wide === '*' || wide === narrow) return true;
  if (isTemplate(narrow)) return false;
  if (isLiteral(narrow)) return compilePattern(wide)(narrow);
  return isPrefix(wide) && isPrefix(narrow) && narrow.startsWith(wide.slice(0, -1));
}

/** Whether some text could fit both. */
export function mayMeet(a: string, b: string): boolean {
  if (isTemplate(a) || isTemplate(b)) return true;
  if (isLiteral(a)) return compilePattern(b)(a);
  if (isLiteral(b)) return compilePattern(a)(b);
  if (!isPrefix(a) || !isPrefix(b)) return true;
  return a.startsWith(b.slice(0, -1)) || b.startsWith(a.slice(0, -1));
}

/** Whether whatever the rule `narrow` allows, `wide` allows as well. */
export function coversRule(wide: KubeRule, narrow: KubeRule): boolean {
  return (
    (wide.kind === '*' || wide.kind === narrow.kind) &&
    coversPattern(wide.apiGroup, narrow.apiGroup) &&
    coversNamespace(wide.namespace, narrow.namespace) &&
    coversPattern(wide.name, narrow.name) &&
    (wide.verbs.includes('*') || narrow.verbs.every((verb) => wide.verbs.includes(verb)))
  );
}

/**
 * Whether a rule that denies could take something from what a rule allows. Whatever is allowed in a namespace shows the namespace
 * itself, which denials for every kind and those for namespaces are about.
 */
export function takesFrom(denied: KubeRule, rule: KubeRule): boolean {
  const areVerbsShared =
    denied.verbs.includes('*') ||
    rule.verbs.includes('*') ||
    denied.verbs.some((verb) => rule.verbs.includes(verb));
  if (!areVerbsShared) return false;
  if (denied.kind === '*' || denied.kind === 'namespaces') return true;
  return (
    (rule.kind === '*' || denied.kind === rule.kind) &&
    mayMeet(denied.apiGroup, rule.apiGroup) &&
    mayMeet(denied.namespace, rule.namespace) &&
    mayMeet(denied.name, rule.name)
  );
}

/** Labels of a selector, templates expanded or not there. */
export type ExpandedLabels = Readonly<Record<string, readonly string[]>>;

/** Whether every cluster with labels that `narrow` selects is selected by `wide`. */
export function coversLabels(wide: ExpandedLabels, narrow: ExpandedLabels): boolean {
  return Object.entries(wide).every(([key, patterns]) => {
    if (key === '*' && patterns.length === 1 && patterns[0] === '*') return true;
    if (!Object.hasOwn(narrow, key)) return false;
    return narrow[key]!.every((pattern) => patterns.some((each) => coversPattern(each, pattern)));
  });
}

/** Whether a text of a role is filled in with traits, or compared with them. */
export function dependsOnTraits(text: string): boolean {
  return isTemplate(text) || text.includes('traits');
}

/** All texts of a label selector that may be templates. */
export function labelTexts(labels: RoleLabels): string[] {
  return Object.values(labels).flat();
}

/** Rules for objects of the whole cluster have no namespace; only `*` includes those too. */
function coversNamespace(wide: string, narrow: string): boolean {
  return narrow === '' || wide === '' ? wide === narrow || wide === '*' : coversPattern(wide, narrow);
}

function isPrefix(pattern: string): boolean {
  return !isRegex(pattern) && pattern.indexOf('*') === pattern.length - 1;
}
