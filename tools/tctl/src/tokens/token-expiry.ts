import { formatDuration } from '@postern/core';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `02 Jan 06 15:04 UTC (29m58s)`, or `never`. */
export function expiryText(expires: string | undefined, now: Date): string {
  if (expires === undefined) return 'never';
  const at = new Date(expires);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${two(at.getUTCDate())} ${months[at.getUTCMonth()]} ${two(at.getUTCFullYear() % 100)}`;
  return `${day} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())} UTC (${formatDuration(at.getTime() - now.getTime())})`;
}
