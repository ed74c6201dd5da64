import type { Principal } from '@postern/identity';
import { Type } from 'typebox';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { allowIf, describeRoutes, route } from './route.ts';

interface Deps {
  readonly greeting: string;
}

const name = Type.Object({ name: Type.String() });

describe('an operation', () => {
  test('has the types of its schemas', () => {
    route<Deps>()({
      method: 'POST',
      url: '/v1/:name',
      allow: 'authenticated',
      params: name,
      body: Type.Object({ size: Type.Integer() }),
      reply: Type.Object({ text: Type.String() }),
      handle: ({ greeting }, { params, body, principal }) => {
        expectTypeOf(params).toEqualTypeOf<{ name: string }>();
        expectTypeOf(body).toEqualTypeOf<{ size: number }>();
        expectTypeOf(principal).toEqualTypeOf<Principal>();
        return { text: `${greeting} ${params.name}` };
      },
    });
  });

  test('that is public may have no caller', () => {
    route<Deps>()({
      method: 'GET',
      url: '/',
      allow: 'public',
      handle: (_, { principal }) => expectTypeOf(principal).toEqualTypeOf<Principal | undefined>(),
    });
  });

  test('does not compile without a rule, or with a reply of another form', () => {
    // @ts-expect-error: allow is missing
    route<Deps>()({ method: 'GET', url: '/', handle: () => ({}) });
    // @ts-expect-error: the reply is another one
    route<Deps>()({ method: 'GET', url: '/', allow: 'public', reply: name, handle: () => ({ nam: 'x' }) });
    expect(true).toBe(true);
  });

  test('is described by its rule', () => {
    const allow = allowIf<Deps>('whoever is greeted', () => true);
    const own = route<Deps>()({ method: 'GET', url: '/own', allow, handle: () => ({}) });
    const open = route<Deps>()({ method: 'GET', url: '/open', allow: 'public', handle: () => ({}) });
    expect(describeRoutes([own, open])).toEqual([
      { method: 'GET', url: '/own', allow: 'whoever is greeted' },
      { method: 'GET', url: '/open', allow: 'public' },
    ]);
  });
});
