let field = '';
let until = 0;

/** The Date of an answer that begins now (RFC 9110, 6.6.1), as a line of its head. Made once a second. */
export function dateField(): string {
  const now = Date.now();
  if (now >= until || now < until - 1000) {
    until = now - (now % 1000) + 1000;
    field = `date: ${new Date(now).toUTCString()}\r\n`;
  }
  return field;
}
