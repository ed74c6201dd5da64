import { failure } from '@postern/core';

/** An output format that the command does not have. */
export const UnknownFormat = failure(
  'invalid_argument',
  'cli.unknown_format',
  (format: string, known: readonly string[]) =>
    `unknown format ${JSON.stringify(format)}, must be one of [${known.map((each) => JSON.stringify(each)).join(', ')}]`,
);

/** Checks the value of `--format`. */
export function formatOf<const F extends string>(value: string, known: readonly F[]): F {
  const found = known.find((format) => format === value.toLowerCase());
  if (!found) throw UnknownFormat(value, known);
  return found;
}

/** JSON for programs and people: indented, one line feed at the end. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 4)}\n`;
}

/**
 * YAML documents separated by `---`, keys sorted, long values on one line. Strings that a YAML 1.1 reader would take for
 * something else are quoted.
 */
export async function yamlText(documents: readonly unknown[]): Promise<string> {
  const { stringify } = await import('yaml');
  const options = {
    sortMapEntries: true,
    lineWidth: 0,
    compat: 'yaml-1.1',
    aliasDuplicateObjects: false,
  } as const;
  return documents.map((document) => stringify(document, options)).join('---\n');
}
