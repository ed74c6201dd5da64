type Counts = Readonly<Record<string, number>>;

/**
 * Keys with a number or with counts below them. Values stand in one column per level, counts are sorted by name, and a
 * key without counts says `none`.
 */
export function nestedText(values: Readonly<Record<string, number | Counts>>): string {
  const width = widest(Object.keys(values));
  return Object.entries(values)
    .map(([key, value]) => entryText(`${key}:`.padEnd(width + 1), value))
    .join('');
}

function entryText(title: string, value: number | Counts): string {
  if (typeof value === 'number') return `${title} ${value}\n`;
  const counts = Object.entries(value).toSorted(([a], [b]) => a.localeCompare(b));
  if (counts.length === 0) return `${title} none\n`;
  const width = widest(counts.map(([key]) => key));
  const lines = counts.map(([key, count]) => `  ${`${key}:`.padEnd(width + 1)} ${count}\n`);
  return `${title.trimEnd()}\n${lines.join('')}`;
}

function widest(keys: readonly string[]): number {
  return Math.max(0, ...keys.map((key) => key.length));
}
