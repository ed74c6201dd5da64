import { failure } from '@postern/core';
import {
  Composer,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  Parser,
  type ParsedNode,
} from 'yaml';

/** Text that is not plain YAML or JSON. `where` is `line 3, column 7`. */
export const InvalidDocument = failure(
  'invalid_argument',
  'contracts.invalid_document',
  (where: string, why: string) => `invalid YAML at ${where}: ${why}`,
);

/** Input that is larger than anything sent in good faith. */
export const DocumentTooLarge = failure(
  'invalid_argument',
  'contracts.document_too_large',
  (maxBytes: number) => `the input is larger than ${maxBytes / 1024} KiB: split it into several files`,
);

/** Input without a single document. */
export const NoDocuments = failure(
  'invalid_argument',
  'contracts.no_documents',
  () => 'no resources found, empty input?',
);

/** How much input is taken. */
export interface DocumentLimits {
  readonly maxBytes?: number;
  readonly maxDepth?: number;
}

const defaults = { maxBytes: 1024 * 1024, maxDepth: 64 } as const;

/**
 * Reads a stream of YAML or JSON documents as JSON values; a document that is an array counts as its items.
 *
 * Only what JSON can say is accepted: no anchors, aliases, tags, merge keys or directives, because each of them lets a
 * short text stand for a huge or surprising value. Duplicate keys are refused, since two readers would disagree on them.
 */
export function readDocuments(text: string, limits: DocumentLimits = {}): unknown[] {
  const { maxBytes, maxDepth } = { ...defaults, ...limits };
  if (Buffer.byteLength(text) > maxBytes) throw DocumentTooLarge(maxBytes);
  const lines = new LineCounter();
  const refuse: Refuse = (offset, why) => {
    const { line, col } = lines.linePos(Math.max(0, offset));
    return InvalidDocument(`line ${line}, column ${col}`, why);
  };
  const documents = [...documentsOf(text, lines, refuse)].map((document) =>
    valueOf(document, { refuse, maxDepth }),
  );
  const values = documents.flatMap((value) => (Array.isArray(value) ? (value as unknown[]) : [value]));
  const present = values.filter((value) => value !== null);
  if (present.length === 0) throw NoDocuments();
  return present;
}

type Refuse = (offset: number, why: string) => Error;

interface Reading {
  readonly refuse: Refuse;
  readonly maxDepth: number;
}

function* documentsOf(text: string, lines: LineCounter, refuse: Refuse): Generator<Document.Parsed> {
  // Key uniqueness is checked in `objectOf`: the library compares every pair of keys.
  const composer = new Composer({
    schema: 'core',
    merge: false,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const parser = new Parser(lines.addNewLine);
  for (const token of parser.parse(text)) {
    if (token.type === 'directive') throw refuse(token.offset, 'directives are not allowed');
    yield* checked(composer.next(token), refuse);
  }
  yield* checked(composer.end(), refuse);
}

function* checked(documents: Iterable<Document.Parsed>, refuse: Refuse): Generator<Document.Parsed> {
  for (const document of documents) {
    const [first] = [...document.errors, ...document.warnings];
    if (first) throw refuse(first.pos[0], reasonOf(first.message));
    yield document;
  }
}

/** The library's words without the piece of input that some of them quote: it may be a secret. */
function reasonOf(message: string): string {
  if (message.startsWith('Maximum call stack')) return 'it is nested too deeply';
  return message.split(/: ["']|\n/)[0]!.slice(0, 120);
}

function valueOf(document: Document.Parsed, reading: Reading): unknown {
  return document.contents === null ? null : nodeValue(document.contents, reading, 1);
}

function nodeValue(node: ParsedNode | null, reading: Reading, depth: number): unknown {
  if (node === null) return null;
  const at = node.range[0];
  if (depth > reading.maxDepth) throw reading.refuse(at, 'it is nested too deeply');
  if (isAlias(node)) throw reading.refuse(at, 'aliases are not allowed');
  if (node.anchor !== undefined) throw reading.refuse(at, 'anchors are not allowed');
  if (node.tag !== undefined) throw reading.refuse(at, 'tags are not allowed');
  if (isScalar(node)) return scalarValue(node.value, at, reading);
  if (isSeq(node)) return node.items.map((item) => nodeValue(item as ParsedNode | null, reading, depth + 1));
  if (isMap(node)) return objectOf(node, reading, depth);
  throw reading.refuse(at, 'it could not be read');
}

function scalarValue(value: unknown, at: number, { refuse }: Reading): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw refuse(at, 'the number is out of range');
  if (typeof value === 'string' && value.includes('\0')) throw refuse(at, 'a NUL character is not allowed');
  return value;
}

function objectOf(map: Extract<ParsedNode, { items: unknown[] }>, reading: Reading, depth: number): unknown {
  const entries = new Map<string, unknown>();
  for (const item of map.items) {
    const pair = item as { key: ParsedNode | null; value: ParsedNode | null };
    const key = keyOf(pair.key, map.range[0], reading);
    if (entries.has(key))
      throw reading.refuse(pair.key!.range[0], `the key ${JSON.stringify(key)} is there twice`);
    entries.set(key, nodeValue(pair.value, reading, depth + 1));
  }
  return Object.fromEntries(entries);
}

function keyOf(key: ParsedNode | null, fallback: number, reading: Reading): string {
  const at = key?.range[0] ?? fallback;
  if (!isScalar(key) || key.value === null) throw reading.refuse(at, 'a key must be a text');
  if (key.anchor !== undefined) throw reading.refuse(at, 'anchors are not allowed');
  if (key.tag !== undefined) throw reading.refuse(at, 'tags are not allowed');
  const text = typeof key.value === 'string' ? key.value : (key.source ?? JSON.stringify(key.value));
  if (text === '__proto__') throw reading.refuse(at, 'the key __proto__ is not allowed');
  if (text === '<<') throw reading.refuse(at, 'merge keys are not allowed');
  if (text.includes('\0')) throw reading.refuse(at, 'a NUL character is not allowed');
  if (text.length > 1024) throw reading.refuse(at, 'a key is too long');
  return text;
}
