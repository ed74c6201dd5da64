import { readSource, sourceFiles, workspacePackages } from '../workspace.ts';

const texts = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g;
const ids = /\(((?:[A-Z]-\d\d)(?:, [A-Z]-\d\d)*)\)/g;

/** The ids in parentheses that titles of tests have, and rows of tables that become titles. Comments do not count. */
export function coveredThreats(): ReadonlySet<string> {
  const files = workspacePackages()
    .flatMap(({ folder }) => sourceFiles(folder))
    .filter((file) => file.endsWith('.test.ts') || /\/support\/.*rows\.ts$/.test(file));
  return new Set(files.flatMap((file) => threatsIn(readSource(file))));
}

/** The ids in parentheses within the texts of a source. */
export function threatsIn(source: string): string[] {
  const quoted = source.replace(/^\s*\/\/.*$/gm, '').match(texts) ?? [];
  return quoted.flatMap((text) => [...text.matchAll(ids)].flatMap(([, list]) => list!.split(', ')));
}
