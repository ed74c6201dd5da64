import { failure } from '@postern/core';

/** Text that is not a list of labels. */
export const InvalidLabels = failure(
  'invalid_argument',
  'cli.invalid_labels',
  (part: string) => `invalid label ${JSON.stringify(part)}: write key=value, several separated by commas`,
);

/** Labels from `env=prod,team=dev`. A value may be quoted to hold commas or blanks. */
export function parseLabels(text: string): Record<string, string> {
  const labels = new Map<string, string>();
  for (const part of splitOutsideQuotes(text)) {
    const at = part.indexOf('=');
    const key = unquoted(part.slice(0, at));
    if (at < 1 || key === '') throw InvalidLabels(part);
    labels.set(key, unquoted(part.slice(at + 1)));
  }
  return Object.fromEntries(labels);
}

/** `env=test team=dev`, sorted. Labels for machines are left out; hidden ones too, unless everything is asked for. */
export function labelsText(labels: Readonly<Record<string, string>>, verbose = false): string {
  return Object.entries(labels)
    .filter(
      ([key]) => !key.startsWith('teleport.internal/') && (verbose || !key.startsWith('teleport.hidden/')),
    )
    .map(([key, value]) => `${key}=${value}`)
    .toSorted()
    .join(' ');
}

/** Whether all wanted labels are there with these values. */
export function hasLabels(
  labels: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(wanted).every(([key, value]) => labels[key] === value);
}

/** Whether the name or a label holds every one of the words, in any case. */
export function isFoundBy(
  words: readonly string[],
  name: string,
  labels: Readonly<Record<string, string>>,
): boolean {
  const texts = [name, ...Object.entries(labels).flat()].map((text) => text.toLowerCase());
  return words.every((word) => texts.some((text) => text.includes(word.toLowerCase())));
}

function splitOutsideQuotes(text: string): string[] {
  const parts = text.match(/(?:"[^"]*"|'[^']*'|[^,"'])+/g) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

function unquoted(text: string): string {
  const trimmed = text.trim();
  return /^(["']).*\1$/s.test(trimmed) && trimmed.length > 1 ? trimmed.slice(1, -1) : trimmed;
}
