const spellings: Readonly<Record<string, boolean>> = {
  yes: true,
  yeah: true,
  y: true,
  true: true,
  '1': true,
  on: true,
  no: false,
  nope: false,
  n: false,
  false: false,
  '0': false,
  off: false,
};

/** Reads a yes or no in any of the spellings that `teleport.yaml` knows, in any case. */
export function readBoolean(text: string): boolean {
  const value = spellings[text.toLowerCase()];
  if (!Object.hasOwn(spellings, text.toLowerCase()) || value === undefined) {
    throw new Error(`unsupported value: ${JSON.stringify(text.slice(0, 40))}`);
  }
  return value;
}
