import { describe, expect, test } from 'vitest';
import { allNamed, elementAt, MalformedXml, readXml, textAt } from './read-xml.ts';

describe('XML of AWS', () => {
  const read = readXml(
    '<?xml version="1.0" encoding="UTF-8"?>\n<A xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><id>1 &lt; 2 &#38; &#x33;</id>\n<set><item>a</item><item>b</item></set><none/></A>',
  );

  test('is elements and text', () => {
    expect(read.name).toBe('A');
    expect(textAt(read, 'id')).toBe('1 < 2 & 3');
    expect(allNamed(elementAt(read, 'set')!, 'item').map(({ text }) => text)).toEqual(['a', 'b']);
    expect(textAt(read, 'none')).toBe('');
  });

  test('has nothing at a path that is not there, or there twice, nor text where elements are', () => {
    expect(textAt(read, 'other')).toBeUndefined();
    expect(textAt(read, 'set', 'item')).toBeUndefined();
    expect(textAt(read, 'set')).toBeUndefined();
  });

  test.each([
    ['with a document type', '<!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>'],
    ['with an entity of its own', '<a>&b;</a>'],
    ['with the name of an inherited property for an entity', '<a>&constructor;</a>'],
    ['with a reference that does not end', '<a>&amp</a>'],
    ['with a character that is none', '<a>&#9999999;</a>'],
    ['with a comment', '<a><!-- --></a>'],
    ['with CDATA', '<a><![CDATA[x]]></a>'],
    ['with an instruction', '<a><?b c?></a>'],
    ['with a declaration in the middle', '<a><?xml version="1.0"?></a>'],
    ['with text beside elements', '<a>x<b/></a>'],
    ['with two roots', '<a/><b/>'],
    ['with text after it', '<a/>x'],
    ['that does not end', '<a><b></b>'],
    ['that ends twice', '<a></a></a>'],
    ['that ends otherwise than it begins', '<a></b>'],
    ['with an end that is empty', '<a></a/>'],
    ['with half a tag', '<a'],
    ['that is nothing', ''],
    ['that is JSON', '{"a":1}'],
    ['that is deep (C-05)', '<a>'.repeat(5_000) + '</a>'.repeat(5_000)],
    ['of many elements (C-05)', `<a>${'<b/>'.repeat(30_000)}</a>`],
    ['of a tag without end (C-05)', `<a${' b="c"'.repeat(20_000)}`],
  ])('%s is refused', (_, text) => {
    expect(() => readXml(text)).toThrow(MalformedXml);
  });
});
