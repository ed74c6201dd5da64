/** One measured figure beside what must be reached, where something must. */
export interface Measured {
  readonly path: string;
  readonly figure: string;
  readonly target?: string;
  readonly met?: boolean;
}

/** Prints the figures as a table. A missed target is told, it does not fail the run: machines differ, ratios less so. */
export function printTable(title: string, rows: readonly Measured[]): void {
  const width = (pick: (row: Measured) => string) => Math.max(...rows.map((row) => pick(row).length), 6);
  const [a, b, c] = [width((row) => row.path), width((row) => row.figure), width(targetOf)];
  console.log(`\n${title}`);
  for (const row of rows) {
    const line = `  ${row.path.padEnd(a)}  ${row.figure.padEnd(b)}  ${targetOf(row).padEnd(c)}  ${verdictOf(row)}`;
    console.log(line.trimEnd());
  }
}

function targetOf({ target }: Measured): string {
  return target === undefined ? '' : `target ${target}`;
}

function verdictOf({ target, met }: Measured): string {
  if (target === undefined) return '';
  return met ? 'met' : 'MISSED';
}
