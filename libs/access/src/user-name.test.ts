import { expect, test } from 'vitest';
import { userNameOf } from './user-name.ts';

test.each([
  ['user', 'alice', 'alice'],
  ['bot', 'alice', 'bot-alice'],
  ['agent', 'alice', undefined],
  ['svc', 'alice', undefined],
  ['User', 'alice', undefined],
])('the %s %s has the roles of %s', (type, id, name) => {
  expect(userNameOf({ type, id })).toBe(name);
});
