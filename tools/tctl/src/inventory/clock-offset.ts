/** `12 s ahead` or `12 s behind`, from milliseconds. */
export function clockOffsetText(offsetMs: number): string {
  return `${Math.round(Math.abs(offsetMs) / 1000)} s ${offsetMs < 0 ? 'behind' : 'ahead'}`;
}
