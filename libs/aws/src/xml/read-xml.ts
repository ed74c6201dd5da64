/** An element of XML with what is in it: elements, or text. Attributes and namespaces are not kept. */
export interface XmlElement {
  readonly name: string;
  readonly children: readonly XmlElement[];
  readonly text: string;
}

/** A text that is no XML, or XML with more to it than AWS writes. */
export class MalformedXml extends RangeError {}

const maxDepth = 32;
const maxElements = 20_000;
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

// A declaration, an opening, closing or empty tag, or text. Nothing else is known: no document type, hence no entities of its own,
// no comments, no instructions, no CDATA.
const piece =
  /<\?xml [^<>]{0,200}\?>|<(?<closes>\/?)(?<name>[A-Za-z_][\w.-]{0,99})(?:\s+[A-Za-z_][\w:.-]{0,99}="[^"<]{0,1000}")*\s*(?<empty>\/?)>|(?<text>[^<]+)/y;

interface Open {
  readonly name: string;
  readonly children: XmlElement[];
  text: string;
}

/** Reads XML as AWS's query services write it. Throws `MalformedXml` for anything else. */
export function readXml(source: string): XmlElement {
  const document: Open = { name: '', children: [], text: '' };
  const open: Open[] = [document];
  let count = 0;
  piece.lastIndex = 0;
  while (piece.lastIndex < source.length) {
    const at = piece.lastIndex;
    const { name, closes, empty, text } = piece.exec(source)?.groups ?? fail(at);
    const inner = open.at(-1)!;
    if (text !== undefined) inner.text += unescape(text, at);
    else if (name === undefined) beginning(at);
    else if (closes) close(open, name, empty === '' ? at : -1);
    else if ((count += 1) > maxElements || open.length > maxDepth) fail(at);
    else if (empty) inner.children.push({ name, children: [], text: '' });
    else open.push({ name, children: [], text: '' });
  }
  const [root, ...others] = document.children;
  if (!root || others.length > 0 || open.length > 1 || document.text.trim() !== '') fail(source.length);
  return root;
}

/** A declaration is the first thing or is not there. */
function beginning(at: number): void {
  if (at > 0) fail(at);
}

function close(open: Open[], name: string, at: number): void {
  const closed = open.pop()!;
  if (at < 0 || open.length === 0 || closed.name !== name) fail(at);
  if (closed.children.length > 0 && closed.text.trim() !== '') fail(at);
  open.at(-1)!.children.push(closed);
}

function unescape(text: string, at: number): string {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{1,10}))?;?/gi, (whole, decimal, hex, name) => {
    const code =
      decimal === undefined ? (hex === undefined ? undefined : parseInt(hex, 16)) : Number(decimal);
    const isWritten = whole.endsWith(';');
    const read =
      code === undefined ? entities[String(name)] : code <= 0x10ffff ? String.fromCodePoint(code) : undefined;
    return isWritten && read !== undefined ? read : fail(at);
  });
}

function fail(at: number): never {
  throw new MalformedXml(`it is no XML of AWS at ${at}`);
}

/** Elements of this name that are directly inside. */
export function allNamed({ children }: XmlElement, name: string): readonly XmlElement[] {
  return children.filter((child) => child.name === name);
}

/** What is at a path of names of which each is there once; undefined otherwise. */
export function elementAt(from: XmlElement, ...path: readonly string[]): XmlElement | undefined {
  return path.reduce<XmlElement | undefined>((element, name) => {
    const found = element ? allNamed(element, name) : [];
    return found.length === 1 ? found[0] : undefined;
  }, from);
}

/** The text at a path; undefined where there is no such element, or elements in it. */
export function textAt(from: XmlElement, ...path: readonly string[]): string | undefined {
  const element = elementAt(from, ...path);
  return element && element.children.length === 0 ? element.text : undefined;
}
