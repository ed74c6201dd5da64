import { describe, expect, test } from 'vitest';
import { appears } from './appears.ts';

function changing() {
  let value: string | undefined;
  const listeners = new Set<() => void>();
  const set = (next: string) => {
    value = next;
    for (const listener of listeners) listener();
  };
  const onChange = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  return { find: () => value, onChange, set, listeners };
}

describe('something looked for', () => {
  test('is found at once when it is there', async () => {
    const { find, onChange, set } = changing();
    set('here');
    expect(await appears(onChange, find, 0)).toBe('here');
  });

  test('is found when a change brings it', async () => {
    const { find, onChange, set, listeners } = changing();
    const found = appears(onChange, find, 5_000);
    set('now');
    expect(await found).toBe('now');
    expect(listeners.size).toBe(0);
  });

  test('is given up in time', async () => {
    const { find, onChange, listeners } = changing();
    expect(await appears(onChange, find, 5)).toBeUndefined();
    expect(listeners.size).toBe(0);
  });
});
