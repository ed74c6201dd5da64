import { newKeyText } from '@postern/identity';
import { fixedClock } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { openChallenges } from './challenges.ts';

const key = newKeyText();
const use = { method: 'iam', key: 'a'.repeat(64) };
const at = '2026-11-28T12:00:00.000Z';
const open = (time = at) => openChallenges(key, fixedClock(time));

describe('a challenge', () => {
  test('is recognised by every replica with the same key, and has one id', () => {
    const { challenge, expires } = open().issue(use);
    expect(expires).toBe('2026-11-28T12:05:00.000Z');
    const read = open().read(challenge, use);
    expect(read).toEqual({ id: expect.stringMatching(/^[0-9a-f]{44}$/), endsAt: new Date(expires) });
    expect(open('2026-11-28T12:04:59.999Z').read(challenge, use)).toEqual(read);
  });

  test('is another one each time', () => {
    const challenges = open();
    const issued = Array.from({ length: 100 }, () => challenges.issue(use).challenge);
    expect(new Set(issued).size).toBe(100);
  });

  test('is good for one method and one key', () => {
    const { challenge } = open().issue(use);
    for (const other of [
      { ...use, method: 'ec2' },
      { ...use, key: 'b'.repeat(64) },
    ])
      expect(open().read(challenge, other)).toBe('the challenge was not issued here for this method and key');
  });

  test('ends after five minutes', () => {
    const { challenge } = open().issue(use);
    expect(open('2026-11-28T12:05:00.000Z').read(challenge, use)).toBe('the challenge has ended');
  });

  test('of another control plane is none', () => {
    const { challenge } = openChallenges(newKeyText(), fixedClock(at)).issue(use);
    expect(open().read(challenge, use)).toContain('not issued here');
  });

  test.each([
    ['nothing', () => ''],
    ['less of it', (text: string) => text.slice(1)],
    ['more of it', (text: string) => `${text}AAAA`],
    ['padding', (text: string) => `${text}=`],
    ['the other alphabet', (text: string) => `+${text.slice(1)}`],
    ['a blank', (text: string) => ` ${text}`],
  ])('with %s is malformed', (_, change) => {
    expect(open().read(change(open().issue(use).challenge), use)).toBe('the challenge is malformed');
  });

  test('with a later end is not believed', () => {
    const bytes = Buffer.from(open().issue(use).challenge, 'base64url');
    bytes.writeUIntBE(bytes.readUIntBE(16, 6) + 1, 16, 6);
    expect(open().read(bytes.toString('base64url'), use)).toContain('not issued here');
  });
});
