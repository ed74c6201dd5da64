/**
 * The beginning of the time slot that a moment is in, both in milliseconds since 1970. Slots are counted from 1970, so whoever
 * has the same time and the same length has the same slots.
 */
export function slotAt(at: number, slotMs: number): number {
  return Math.floor(at / slotMs) * slotMs;
}

/** Whether a slot's tasks are too old to begin: the next slot is over as well, and its tasks say the same about the present. */
export function isStale(
  { slot, slotMs }: { readonly slot: number; readonly slotMs: number },
  now: number,
): boolean {
  return now >= slot + 2 * slotMs;
}
