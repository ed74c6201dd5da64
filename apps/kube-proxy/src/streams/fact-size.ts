// What names, numbers and quotes take beside the texts themselves.
const frameBytes = 900;

/**
 * About how many bytes a fact takes on the wire, never less: each character may become up to six when JSON escapes it, but
 * control characters do not get into a request, so that three, for UTF-8, is enough.
 */
export function sizeOf(data: Readonly<Record<string, unknown>>): number {
  let characters = 0;
  for (const value of Object.values(data)) {
    if (typeof value === 'string') characters += value.length;
    else if (typeof value === 'object' && value !== null) characters += charactersOf(value);
  }
  return frameBytes + 3 * characters;
}

/** Lists of groups and maps of labels: every key and every item, with the quotes and the colon or comma of each. */
function charactersOf(value: object): number {
  let characters = 0;
  if (Array.isArray(value)) for (const item of value) characters += String(item).length + 3;
  else for (const key of Object.keys(value)) characters += key.length + 6 + textOf((value as Fields)[key]);
  return characters;
}

type Fields = Readonly<Record<string, unknown>>;

function textOf(value: unknown): number {
  return typeof value === 'object' && value !== null ? charactersOf(value) + 2 : String(value).length;
}
