import { describe, expect, test } from 'vitest';
import { ReceiveWindow, type WindowRules } from './receive-window.ts';

const first = 65_536;
const most = 4 * 1024 * 1024;

/** A reader that consumes at a rate on a link of the given round trip; returns the window that it comes to. */
function windowAfter(
  bytesPerMs: number,
  roundTripMs: number,
  room = Infinity,
): { size: number; granted: number } {
  let [now, granted, allowed] = [10_000, 0, first];
  const rules: WindowRules = {
    now: () => now,
    shortestMs: roundTripMs,
    grant(bytes) {
      if (granted + bytes > room) return false;
      granted += bytes;
      return true;
    },
    giveBack: (bytes) => void (granted -= bytes),
  };
  const window = new ReceiveWindow(first, most);
  for (let turn = 0; turn < 20_000; turn += 1) {
    now += 4096 / bytesPerMs;
    expect(window.receive(4096)).toBe(true);
    allowed += window.consume(4096, rules) - 4096;
  }
  const size = first + granted;
  expect(allowed).toBeLessThanOrEqual(size);
  window.close(rules);
  expect(granted).toBe(0);
  return { size, granted };
}

describe('a receive window', () => {
  test('grows on a fast link with a long way, to what is under way on it', () => {
    expect(windowAfter(10_000, 100).size).toBe(most);
    expect(windowAfter(1000, 100).size).toBeGreaterThanOrEqual(200_000);
  });

  test('stays small for a slow reader', () => {
    expect(windowAfter(10, 20).size).toBe(first);
    expect(windowAfter(0.5, 20).size).toBe(first);
  });

  test('grows no further than there is room', () => {
    expect(windowAfter(10_000, 100, 3 * first).size).toBe(4 * first);
  });

  test('refuses what was not allowed', () => {
    const window = new ReceiveWindow(first, most);
    expect(window.receive(first)).toBe(true);
    expect(window.receive(1)).toBe(false);
  });

  test('shrinks when its stream has become slow', () => {
    let [now, granted] = [10_000, 0];
    const rules: WindowRules = {
      now: () => now,
      shortestMs: 1,
      grant: (bytes) => ((granted += bytes), true),
      giveBack: (bytes) => void (granted -= bytes),
    };
    const window = new ReceiveWindow(first, most);
    const consumeTurn = (ms: number) => {
      now += ms;
      for (let turn = 0; turn < 1024; turn += 1) window.consume(4096, rules);
    };
    consumeTurn(0);
    expect(granted).toBe(most - first);
    for (let turn = 0; turn < 12; turn += 1) {
      now += 60_000;
      window.consume(most / 2, rules);
    }
    expect(granted).toBe(0);
  });
});
