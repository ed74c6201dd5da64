/** A piece of text that takes the place of the characters from `start` to `end`. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The text with every splice made. They must not overlap; offsets are those of the text as it was. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  let result = text;
  for (const { start, end, text: piece } of splices.toSorted((a, b) => b.start - a.start)) {
    result = result.slice(0, start) + piece + result.slice(end);
  }
  return result;
}

/** Offset of the first character of the line. */
export function startOfLine(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/** Offset behind the line feed of the line, or the end of the text. */
export function endOfLine(text: string, at: number): number {
  const feed = text.indexOf('\n', at);
  return feed < 0 ? text.length : feed + 1;
}

/** The offset without the blanks and line feeds before it. */
export function trimmedEnd(text: string, at: number): number {
  let end = at;
  while (end > 0 && /\s/.test(text[end - 1]!)) end -= 1;
  return end;
}

/** The blanks that the line starts with. */
export function indentOf(text: string, startOfLineAt: number): string {
  return /^[ \t]*/.exec(text.slice(startOfLineAt, startOfLineAt + 200))![0];
}
