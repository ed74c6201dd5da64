import { describe, expect, test } from 'vitest';
import { DocumentTooLarge, InvalidDocument, NoDocuments, readDocuments } from './documents.ts';

describe('a document stream', () => {
  test('several YAML documents are read in order and empty ones are left out', () => {
    expect(readDocuments('---\nkind: a\n---\n---\nkind: b\nlist: [1, two, null]\n')).toEqual([
      { kind: 'a' },
      { kind: 'b', list: [1, 'two', null] },
    ]);
  });

  test('JSON is read, and an array of resources counts as its items', () => {
    expect(readDocuments('{\n\t"kind": "a", "n": {"x": "\\u00e4"}\n}')).toEqual([
      { kind: 'a', n: { x: 'ä' } },
    ]);
    expect(readDocuments('[{"kind":"a"},{"kind":"b"}]')).toEqual([{ kind: 'a' }, { kind: 'b' }]);
  });

  test('words of older YAML versions stay text', () => {
    expect(readDocuments('a: yes\nb: off\nc: 1h30m\nd: 2026-01-01T00:00:00Z\ne: 0777\nf: 12:30')).toEqual([
      { a: 'yes', b: 'off', c: '1h30m', d: '2026-01-01T00:00:00Z', e: 777, f: '12:30' },
    ]);
  });

  test('a twenty digit number is accepted', () => {
    expect(readDocuments('metadata:\n  id: 9999999999999999999')).toHaveLength(1);
  });

  test('keys that look like numbers keep their spelling', () => {
    expect(readDocuments('1.10: a\ntrue: b')).toEqual([{ '1.10': 'a', true: 'b' }]);
  });

  test('no document at all has its own message', () => {
    for (const text of ['', '---\n', '# nothing\n', 'null', '[]']) {
      expect(() => readDocuments(text)).toThrow(NoDocuments().message);
    }
  });

  test('ten megabytes are refused with one clear line', () => {
    expect(() => readDocuments(`a: ${'x'.repeat(10 * 1024 * 1024)}`)).toThrow(
      DocumentTooLarge(1024 * 1024).message,
    );
  });
});

describe('a hostile document', () => {
  const cases: Record<string, [text: string, why: string]> = {
    'with billion laughs': [
      'a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]',
      'line 1, column 7: anchors are not allowed',
    ],
    'with an alias to nothing': ['a: *b', 'line 1, column 4'],
    'with an anchored scalar': ['a: &x 1', 'anchors are not allowed'],
    'with an anchored key': ['&x a: 1', 'anchors are not allowed'],
    'with a merge key': ['a: 1\n<<: {b: 1}', 'line 2, column 1: merge keys are not allowed'],
    'with a JavaScript tag': ["a: !!js/function 'function(){}'", 'line 1'],
    'with a standard tag': ['a: !!str 5', 'tags are not allowed'],
    'with an omap': ['a: !!omap [b: 1]', 'line 1'],
    'with a binary tag': ['a: !!binary aGk=', 'line 1'],
    'with a version directive': ['%YAML 1.1\n---\na: yes', 'directives are not allowed'],
    'with a tag directive': ['%TAG ! tag:x,2026:\n---\na: !b 1', 'directives are not allowed'],
    'with a duplicate key': ['a: 1\nb: 2\na: 3', 'line 3, column 1: the key "a" is there twice'],
    'with a duplicate key in JSON': ['{"a":{"b":1,"b":2}}', 'the key "b" is there twice'],
    'with a prototype key': [
      'metadata:\n  __proto__: {x: 1}',
      'line 2, column 3: the key __proto__ is not allowed',
    ],
    'with a quoted prototype key': ['{"__proto__": {"x": 1}}', 'the key __proto__ is not allowed'],
    'with an escaped NUL': ['a: "\\0"', 'a NUL character is not allowed'],
    'with a JSON NUL': ['{"a": "\\u0000"}', 'a NUL character is not allowed'],
    'with an infinite number': ['a: 1e999', 'the number is out of range'],
    'with not-a-number': ['a: .nan', 'the number is out of range'],
    'with a collection as key': ['? [a]\n: 1', 'a key must be a text'],
    'with an empty key': [': 1', 'a key must be a text'],
    'with deep flow nesting': ['['.repeat(100_000), 'nested too deeply'],
    'with deep block nesting': [`${'- '.repeat(100_000)}a`, 'nested too deeply'],
    'with depth just over the cap': [`${'['.repeat(65)}1${']'.repeat(65)}`, 'nested too deeply'],
    'with a tab as indentation': ['a:\n\tb: 1', 'line 2'],
    'with an unclosed bracket': ['a: [1, 2', 'line 1'],
    'with a nested mapping on one line': ['a: b: c', 'line 1, column 4'],
    'in UTF-16': ['\u0000k\u0000i', 'invalid YAML'],
  };
  test.each(Object.entries(cases))('%s is refused (K-07)', (_, [text, why]) => {
    expect(() => readDocuments(text)).toThrow(why);
    const error = thrownBy(() => readDocuments(text));
    expect(InvalidDocument.is(error)).toBe(true);
    expect((error as Error).message).not.toContain('\n');
  });

  test('sixty thousand keys are read without comparing each pair', () => {
    const text = Array.from({ length: 60_000 }, (_, i) => `k${i}: v`).join('\n');
    expect(Object.keys(readDocuments(text)[0] as object)).toHaveLength(60_000);
  });

  test('what the parser could not read is not repeated in the message', () => {
    const error = thrownBy(() => readDocuments('a: "x" hunter2-secret\nb'));
    expect((error as Error).message).not.toContain('hunter2');
  });
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new TypeError('nothing was thrown');
}
