import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SafeOutput } from './safe-output.ts';

const shown = (...texts: string[]) => {
  const output = new SafeOutput();
  return texts.map((text) => output.push(text)).join('');
};

const forbidden: [string, string][] = [
  ['a clipboard (OSC 52)', '\u001b]52;c;cm0gLXJmIC8=\u0007'],
  ['a clipboard that ends with ST', '\u001b]52;c;cm0gLXJmIC8=\u001b\\'],
  ['a title', '\u001b]0;pwned\u0007'],
  ['a link', '\u001b]8;;https://evil.example\u0007'],
  ['a device control string', '\u001bP$q"p\u001b\\'],
  ['an application command', '\u001b_Gf=100;AAAA\u001b\\'],
  ['a privacy message', '\u001b^x\u001b\\'],
  ['a question about the device', '\u001b[c'],
  ['a question about the cursor', '\u001b[6n'],
  ['a resize of the window', '\u001b[8;1;1t'],
  ['a report of the window title', '\u001b[21t'],
  ['mouse reports', '\u001b[?1000h'],
  ['bracketed paste', '\u001b[?2004h'],
  ['a C1 control', '\u009b31m'],
  ['an answerback', '\u0005'],
  ['a reset of the terminal', '\u001bc'],
  ['text direction', '\u202e'],
];

describe('what a recorded program printed', () => {
  test.each(forbidden)('never has %s when it is played (R-09)', (_, sequence) => {
    const text = shown(`before${sequence}after`);
    expect(text.replaceAll(/\u001b/g, '')).not.toMatch(/[\u0005\u009b\u202e]/);
    expect(text).not.toContain('\u001b');
    expect(text.startsWith('before')).toBe(true);
    expect(text.endsWith('after')).toBe(true);
  });

  test.each(forbidden)('never has %s however it is split between events (R-09)', (_, sequence) => {
    const whole = shown(`before${sequence}after`);
    for (let at = 0; at <= sequence.length; at += 1)
      expect(shown(`before${sequence.slice(0, at)}`, `${sequence.slice(at)}after`)).toBe(whole);
  });

  test.each([
    '\u001b[31mred\u001b[0m',
    '\u001b[2J\u001b[H',
    '\u001b[?25l\u001b[?1049h',
    '\u001b[10;20H\u001b[K',
    '\u001b7\u001b8',
    'tab\tand\r\n',
    '\u001b[38;5;200mx',
  ])('keeps what a terminal only shows: %j', (text) => {
    expect(shown(text)).toBe(text);
    expect(shown(...text.split(''))).toBe(text);
  });

  test('that never ends a sequence is shown as text, not kept for ever', () => {
    const text = shown('\u001b]0;', 'x'.repeat(5000), 'after');
    expect(text.endsWith('after')).toBe(true);
    expect(text).not.toContain('\u001b');
  });

  test('can say nothing else to the terminal, whatever it is', () => {
    const piece = fc.constantFrom(
      '\u001b',
      '[',
      ']',
      'P',
      '5',
      '2',
      ';',
      '?',
      'c',
      'n',
      'h',
      'm',
      '\\',
      '\u0007',
      ' ',
      'x',
      '(',
      'B',
    );
    fc.assert(
      fc.property(fc.array(fc.array(piece, { maxLength: 6 }), { maxLength: 6 }), (parts) => {
        const text = shown(...parts.map((part) => part.join('')));
        expect(text).not.toMatch(/\u001b[\]PX^_c]|\u001b\[[0-9;?]*[cnt]/);
      }),
      { numRuns: 500 },
    );
  });
});
