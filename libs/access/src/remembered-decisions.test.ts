import fc from 'fast-check';
import { expect, test } from 'vitest';
import { remembered } from './remembered-decisions.ts';

test('a decision that is remembered is the one that was made, for many objects of many filters', () => {
  let asked = 0;
  const filters = ['a', 'b', 'c'].map((letter) =>
    remembered((namespace, name) => {
      asked += 1;
      return `${namespace}${name}`.includes(letter);
    }),
  );
  for (const round of ['first', 'again']) {
    for (const [index, isSeen] of filters.entries()) {
      for (let at = 0; at < 1000; at += 1) {
        const [namespace, name] = [`n${at % 7}`, `${'abc'[at % 3]}-${at}`];
        expect(isSeen(namespace, name), round).toBe(at % 3 === index);
      }
    }
  }
  expect(asked).toBe(3000);
});

test('what does not fit any more is decided again', () => {
  const isSeen = remembered((_, name) => Number(name) % 2 === 0);
  for (let round = 0; round < 2; round += 1) {
    for (let at = 0; at < 210_000; at += 1) {
      if (isSeen('n', String(at)) !== (at % 2 === 0)) expect.unreachable(`${at} is decided wrongly`);
    }
  }
});

test('the order in which objects come is of no account', () => {
  const names = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 40 });
  fc.assert(
    fc.property(names, (asked) => {
      const decided: string[] = [];
      const isSeen = remembered((_, name) => {
        decided.push(name);
        return name < 'd';
      });
      expect(asked.map((name) => isSeen('n', name))).toEqual(asked.map((name) => name < 'd'));
      expect(decided).toEqual([...new Set(asked)]);
    }),
  );
});
