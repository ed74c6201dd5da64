import { failure } from './errors.ts';

/** A text that is not a Go duration. */
export const InvalidDuration = failure(
  'invalid_argument',
  'core.invalid_duration',
  (text: string) => `invalid duration ${JSON.stringify(text.slice(0, 40))}: write it like 90s, 30m or 1h30m`,
);

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Parses a Go duration (`time.ParseDuration`: ns, us, µs, ms, s, m, h, signed, fractional) to milliseconds. */
export function parseDuration(text: string): number {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.exec(text);
  if (text === '0') return 0;
  if (!match || text.length > 64) throw InvalidDuration(text);
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(amount) * unitMs[unit!]!;
  }
  return match[1] === '-' ? -total : total;
}

/** Writes milliseconds as Go does, to the second: `1h0m0s`, `29m58s`, `5s`. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1000);
  const sign = ms < 0 && seconds > 0 ? '-' : '';
  const h = Math.floor(seconds / 3600);
  const m = Math.floor((seconds % 3600) / 60);
  const s = seconds % 60;
  if (h > 0) return `${sign}${h}h${m}m${s}s`;
  return m > 0 ? `${sign}${m}m${s}s` : `${sign}${s}s`;
}
