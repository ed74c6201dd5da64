import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createSealer } from './index.ts';

const key = randomBytes(32);
const sealer = createSealer(key);

describe('a sealed secret', () => {
  test('opens where it belongs', async () => {
    const sealed = await sealer.seal('hunter2 ü', 'join/authority/host');
    expect(sealed).not.toContain('hunter2');
    expect((await sealer.unseal(sealed, 'join/authority/host')).reveal()).toBe('hunter2 ü');
  });

  test('does not open in another place', async () => {
    const sealed = await sealer.seal('hunter2', 'row 1');
    await expect(sealer.unseal(sealed, 'row 2')).rejects.toThrow('cannot be opened');
  });

  test('does not open with another key, and says which key it needs', async () => {
    const sealed = await sealer.seal('hunter2', 'row 1');
    await expect(createSealer(randomBytes(32)).unseal(sealed, 'row 1')).rejects.toThrow(
      `needs the key ${sealer.keyId}`,
    );
  });

  test('opens after the key was replaced, while the old one is kept', async () => {
    const sealed = await sealer.seal('hunter2', 'row 1');
    const next = createSealer(randomBytes(32), [key]);
    expect((await next.unseal(sealed, 'row 1')).reveal()).toBe('hunter2');
    expect((await next.seal('x', 'y')).split('.')[1]).toBe(next.keyId);
  });

  test('does not open after any change to it', async () => {
    const sealed = await sealer.seal('hunter2', 'row 1');
    for (let at = 0; at < sealed.length - 1; at += 1) {
      const char = sealed[at] === 'A' ? 'B' : 'A';
      const changed = sealed.slice(0, at) + char + sealed.slice(at + 1);
      // The last character of a part may hold unused bits, which decode to the same bytes.
      const isSame = changed
        .split('.')
        .every((part, index) => equalBytes(part, sealed.split('.')[index] ?? ''));
      if (!isSame) await expect(sealer.unseal(changed, 'row 1')).rejects.toThrow('cannot be opened');
    }
  });

  test('does not open when a part of another was put into it', async () => {
    const [one, two] = await Promise.all([sealer.seal('a', 'row 1'), sealer.seal('b', 'row 1')]);
    const [version, id, wrapped] = one.split('.');
    await expect(sealer.unseal([version, id, wrapped, two.split('.')[3]].join('.'), 'row 1')).rejects.toThrow(
      'changed',
    );
  });

  test('of equal text never looks equal', async () => {
    expect(await sealer.seal('a', 'row 1')).not.toBe(await sealer.seal('a', 'row 1'));
  });

  test.each(['', 'a', 'psl1.x.y', 'psl1.x.y.z', 'psl2.x.y.z', `psl1.${sealer.keyId}.AA.AA`])(
    'of the form %j is refused',
    async (text) => {
      await expect(sealer.unseal(text, 'row 1')).rejects.toThrow('cannot be opened');
    },
  );
});

function equalBytes(one: string, other: string): boolean {
  return (
    one === other ||
    (one.length > 20 && Buffer.from(one, 'base64url').equals(Buffer.from(other, 'base64url')))
  );
}
