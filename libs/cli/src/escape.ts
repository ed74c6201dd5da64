const sequences =
  /\u001B(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001B]*(?:\u0007|\u001B\\)?|[ -/]*[0-~])|\u009B[0-?]*[ -/]*[@-~]/g;
const controls = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/**
 * Text without what a terminal obeys: escape sequences, control characters other than tab and line feed, and the marks
 * that turn the writing direction. Names and messages come from others, and could rewrite the screen otherwise.
 */
export function withoutEscapes(value: string): string {
  return value.replaceAll(sequences, '').replaceAll(controls, '');
}

/** The same on one line. */
export function oneLine(value: string): string {
  return withoutEscapes(value.replaceAll(/\s*[\r\n\u0085\u2028\u2029]+\s*/g, ' ')).trim();
}
