import { describe, expect, test } from 'vitest';
import { inTurns, middleBy, warmUp } from './rounds.ts';

const costsOf = (costs: readonly number[]) => {
  let at = 0;
  return async () => costs[at++]!;
};

describe('a warm-up', () => {
  test('ends when two rounds in a row cost about the same', async () => {
    expect(await warmUp(costsOf([300, 200, 160, 150, 1]))).toBe(4);
  });

  test('ends when the cost does not settle', async () => {
    expect(await warmUp(costsOf([1, 2, 4, 8, 16, 32, 64]))).toBe(6);
  });
});

describe('rounds', () => {
  test('are taken in turns', async () => {
    const order: string[] = [];
    const measured = await inTurns(
      ['a', 'b'].map((name) => async () => {
        order.push(name);
        return order.length;
      }),
    );
    expect(order.join('')).toBe('ababababab');
    expect(measured).toEqual([
      [1, 3, 5, 7, 9],
      [2, 4, 6, 8, 10],
    ]);
  });

  test('count by the one in the middle', () => {
    expect(middleBy([{ us: 9 }, { us: 1 }, { us: 5 }], ({ us }) => us)).toEqual({ us: 5 });
  });
});
