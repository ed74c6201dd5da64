import { openLink, testPostgres } from '@postern/testkit';
import { expect, test } from 'vitest';
import { openEventStore, StoreUnavailable } from '../src/index.ts';

test('a connection whose server is gone without a word is given up, and the next one works', async () => {
  await using postgres = await testPostgres();
  const url = new URL(postgres.url);
  await using link = await openLink(Number(url.port));
  url.port = String(link.port);
  await using store = await openEventStore({
    url: url.href,
    schema: 'half_open',
    context: 'resource',
    poolSize: 1,
    answerWithinMs: 500,
  });
  expect(await store.feed()).toEqual([]);
  link.set('halfOpen');
  await expect(store.feed()).rejects.toSatisfy((error) => StoreUnavailable.is(error));
  link.set('open');
  expect(await store.feed()).toEqual([]);
});
