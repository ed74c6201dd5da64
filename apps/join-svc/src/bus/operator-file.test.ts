import { Secret } from '@postern/core';
import { newKeyText, sealerFrom } from '@postern/identity';
import { describe, expect, test } from 'vitest';
import { openOperatorFile, sealOperatorFile } from './operator-file.ts';

describe('the operator file', () => {
  const seeds = { operatorSeed: 'SO-canary', systemAccountSeed: 'SA-canary' };
  const sealer = sealerFrom(newKeyText());

  test('is read sealed, and as a secret manager hands it over', async () => {
    const sealed = await sealOperatorFile(sealer, seeds);
    expect(sealed).not.toContain('canary');
    expect(await openOperatorFile(sealer, new Secret(sealed))).toEqual(seeds);
    expect(await openOperatorFile(sealer, new Secret(JSON.stringify(seeds)))).toEqual(seeds);
  });

  test('does not open with another key', async () => {
    const sealed = new Secret(await sealOperatorFile(sealerFrom(newKeyText()), seeds));
    await expect(openOperatorFile(sealer, sealed)).rejects.toThrow('cannot be opened');
  });

  test.each(['{', '{}', '[]', '{"operatorSeed":"SO-canary"}', '{"operatorSeed":1,"systemAccountSeed":2}'])(
    'that holds %s is refused without being quoted',
    async (text) => {
      const failed = openOperatorFile(sealer, new Secret(text));
      await expect(failed).rejects.toThrow();
      expect(await failed.catch((error: unknown) => String(error))).not.toContain('canary');
    },
  );
});
