import { isLabelKey } from './define-kind.ts';
import { InvalidResource } from './fields.ts';

/** The label that says who defined a resource. */
export const originLabel = 'teleport.dev/origin';

/** Every value of the origin label: `dynamic` is somebody's `tctl`, `cloud` is discovery. */
export const origins = ['dynamic', 'config-file', 'cloud', 'discovery-kubernetes', 'defaults'] as const;

const reservedPrefixes = ['teleport.dev/', 'teleport.internal/'] as const;

/** Whether a label key belongs to the system: neither agents nor tags of a cloud may set it. */
export function isReservedLabel(key: string): boolean {
  return reservedPrefixes.some((prefix) => key.startsWith(prefix));
}

/** Refuses label values that would not survive a table, a header or a log line. */
export function checkLabels(labels: Readonly<Record<string, string>>): void {
  const entries = Object.entries(labels);
  if (entries.length > 256) throw InvalidResource('metadata.labels holds more than 256 labels');
  for (const [key, value] of entries) {
    if (!isLabelKey(key)) throw InvalidResource(`invalid label key: ${JSON.stringify(key.slice(0, 100))}`);
    if (typeof value !== 'string')
      throw InvalidResource(`the value of label ${JSON.stringify(key)} must be a string`);
    if (value.length > 1024 || /\p{Cc}/u.test(value) || !value.isWellFormed()) {
      throw InvalidResource(
        `invalid value of label ${JSON.stringify(key)}: at most 1024 characters, none of them control characters`,
      );
    }
  }
  const origin = labels[originLabel];
  if (origin !== undefined && !(origins as readonly string[]).includes(origin)) {
    throw InvalidResource(`invalid ${originLabel} label: must be one of ${origins.join(', ')}`);
  }
}
