import { oneLine } from './escape.ts';

/** A table of text. Cells are shown on one line, escape sequences removed. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** The column that gives way when the terminal is too narrow. */
  readonly elastic?: string;
}

/** How wide the output may be. */
export interface TableLimits {
  /** Columns of the terminal; absent when the output is no terminal, and nothing is cut then. */
  readonly width?: number | undefined;
}

const minimumCell = 5;
const narrowestElastic = 12;

/**
 * The table as lines: titles, dashes as wide as the widest cell of their column, rows; one blank between columns. Titles
 * and dashes are there without rows too.
 */
export function tableText(table: Table, limits: TableLimits = {}): string {
  const rows = table.rows.map((row) => row.map(oneLine));
  const fitted = fit({ ...table, rows }, limits.width);
  const widths = widthsOf([table.columns, ...fitted.rows]);
  const dashes = widths.map((width) => '-'.repeat(width));
  const lines = [table.columns, dashes, ...fitted.rows].map((row) => lineOf(row, widths));
  const note = fitted.wasCut
    ? `\n${table.elastic} were cut to fit the terminal: pass --verbose to see them whole.\n`
    : '';
  return `${lines.join('\n')}\n${note}`;
}

/** Rows only, without titles and dashes, two blanks after the widest cell of a column. */
export function headlessText(rows: readonly (readonly string[])[]): string {
  const clean = rows.map((row) => row.map(oneLine));
  const widths = widthsOf(clean).map((width) => width + 1);
  return clean.map((row) => `${lineOf(row, widths)}\n`).join('');
}

function fit(
  table: Table,
  width: number | undefined,
): { rows: readonly (readonly string[])[]; wasCut: boolean } {
  const index = table.elastic === undefined ? -1 : table.columns.indexOf(table.elastic);
  if (width === undefined || index < 0) return { rows: table.rows, wasCut: false };
  const widths = widthsOf([table.columns, ...table.rows]);
  const others = widths.reduce((sum, each, at) => (at === index ? sum : sum + cellWidth(each)), 0);
  const room = Math.max(narrowestElastic, width - others - 1);
  const rows = table.rows.map((row) => row.map((cell, at) => (at === index ? cut(cell, room) : cell)));
  return { rows, wasCut: (widths[index] ?? 0) > room };
}

function cut(cell: string, room: number): string {
  const points = Array.from(cell);
  return points.length <= room ? cell : `${points.slice(0, room - 3).join('')}...`;
}

function widthsOf(rows: readonly (readonly string[])[]): number[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  return Array.from({ length: columns }, (_, at) =>
    rows.reduce((most, row) => Math.max(most, lengthOf(row[at] ?? '')), 0),
  );
}

function lineOf(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, at) => cell + ' '.repeat(cellWidth(widths[at]!) - lengthOf(cell)))
    .join('')
    .trimEnd();
}

function cellWidth(width: number): number {
  return Math.max(minimumCell, width + 1);
}

function lengthOf(cell: string): number {
  return Array.from(cell).length;
}
