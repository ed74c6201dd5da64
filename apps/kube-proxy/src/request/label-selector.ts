const label = '[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?';
const domain = '[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?';
const key = `(?:${domain}(?:\\.${domain}){0,20}/)?${label}`;
const value = `(?:${label})?`;
const requirement = new RegExp(
  `^ ?(?:!? ?${key}|${key} ?(?:=|==|!=) ?${value}|${key} (?:in|notin) ?\\( ?${value}(?: ?, ?${value})* ?\\)) ?$`,
);

const maxLength = 4096;

/**
 * Whether a text is surely a label selector to Kubernetes. Its parser knows a few odder ones as well, such as `>`; no client
 * writes them beside a name.
 */
export function isLabelSelector(text: string): boolean {
  if (text.length > maxLength) return false;
  const parts = text.split(/,(?![^(]*\))/);
  return parts.every((part) => requirement.test(part) && !/^ ?!? ?(?:in|notin)\b/.test(part));
}
