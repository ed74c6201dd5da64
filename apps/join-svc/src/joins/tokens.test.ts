import type { ViewEntry } from '@postern/contracts';
import { Secret, sha256Hex } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { tokenList } from './tokens.ts';

const name = '0123456789abcdef0123456789abcdef';

function entry(spec: Record<string, unknown>, expires?: string): ViewEntry {
  const metadata = { name: sha256Hex(name), ...(expires === undefined ? {} : { expires }) };
  return {
    kind: 'token',
    id: sha256Hex(name),
    rev: 1,
    revision: '1',
    resource: { kind: 'token', version: 'v2', metadata, spec },
  };
}

function listOf(entries: ViewEntry[], isReady = true) {
  const byId = new Map(entries.map((each) => [each.id, each]));
  const view = { isReady: () => isReady, get: (id: string) => byId.get(id), onChange: () => () => {} };
  return tokenList(view, {
    serviceToken: new Secret('service-token-of-sixteen'),
    staticTokens: [{ id: sha256Hex('static-token-of-sixteen'), roles: ['Node'] }],
  });
}

describe('the list of tokens', () => {
  test('finds a token by its name, and shows the end of it at most', () => {
    const found = listOf([entry({ roles: ['Kube'], join_method: 'token' }, '2026-11-21T12:00:00Z')]).find(
      name,
    );
    expect(found).toMatchObject({
      method: 'token',
      roles: ['Kube'],
      expires: new Date('2026-11-21T12:00:00Z'),
    });
    expect(found?.safeName).toMatch(/^\*{24}89abcdef$/);
  });

  test('shows the name of a token whose name is no secret', () => {
    expect(listOf([entry({ roles: ['Kube'], join_method: 'iam' })]).find(name)?.safeName).toBe(name);
  });

  test.each([name.toUpperCase(), `${name} `, name.slice(1), sha256Hex(name), '', '*'])(
    'does not find %j (J-12)',
    (guess) => {
      expect(listOf([entry({ roles: ['Kube'], join_method: 'token' })]).find(guess)).toBeUndefined();
    },
  );

  test('finds a static token by its value only, whether or not others are known yet (J-12)', () => {
    const list = listOf([], false);
    expect(list.find('static-token-of-sixteen')).toEqual({
      origin: 'static',
      id: sha256Hex('static-token-of-sixteen'),
      safeName: `${'*'.repeat(17)}ixteen`,
      method: 'token',
      roles: ['Node'],
      spec: {},
    });
    for (const guess of [sha256Hex('static-token-of-sixteen'), 'static-token-of-sixteeN', 'Node'])
      expect(() => list.find(guess)).toThrow('not known yet');
  });

  test('takes an expiry that it cannot read for past', () => {
    const found = listOf([entry({ roles: ['Kube'], join_method: 'token' }, 'soon')]).find(name);
    expect(found?.expires).toEqual(new Date(0));
  });

  test('knows the service token before anything else', () => {
    const found = listOf([], false).find('service-token-of-sixteen');
    expect(found).toMatchObject({ roles: ['Auth', 'Proxy', 'Kube', 'Discovery'] });
  });

  test('says so while other tokens are not known yet', () => {
    expect(() => listOf([], false).find(name)).toThrow('not known yet');
  });

  test('does not find a token that was deleted', () => {
    const { resource: _, ...deleted } = entry({});
    expect(listOf([deleted]).find(name)).toBeUndefined();
  });
});
