import { once } from 'node:events';
import { delay } from '@postern/core';
import { openLink, testPostgres } from '@postern/testkit';
import { expect, test } from 'vitest';
import { openEventStore, StoreUnavailable } from '../src/index.ts';
import { RelaySession } from '../src/relay-session.ts';

test('a session asks one thing at a time, whoever wants to know something meanwhile', async () => {
  await using postgres = await testPostgres();
  await using store = await openEventStore({ url: postgres.url, schema: 'join', context: 'join' });
  await using session = await RelaySession.open({ url: postgres.url, schema: 'join' }, 'join');
  expect(await store.feed()).toEqual([]);
  // The client of Postgres warns when it is given a query while another one is under way.
  const warnings: string[] = [];
  const listen = ({ message }: Error) => void warnings.push(message);
  process.on('warning', listen);
  try {
    const all = await Promise.all([session.tryLead(), session.mark(), session.pending(1), session.backlog()]);
    expect(all).toMatchObject([true, { sequence: 0 }, [], { rows: 0 }]);
    const told = once(process, 'warning');
    process.emitWarning('the last one');
    await told;
    expect(warnings).toEqual(['the last one']);
  } finally {
    process.off('warning', listen);
  }
});

test('a session whose server is gone without a word while it is only kept alive does not wait for ever', async () => {
  await using postgres = await testPostgres();
  const url = new URL(postgres.url);
  await using link = await openLink(Number(url.port));
  url.port = String(link.port);
  await using store = await openEventStore({ url: postgres.url, schema: 'join', context: 'join' });
  await using session = await RelaySession.open({ url: url.href, schema: 'join' }, 'join');
  expect(await store.feed()).toEqual([]);
  expect(await session.tryLead()).toBe(true);
  link.set('halfOpen');
  // Longer than until it is kept alive the next time.
  await delay(600);
  await expect(session.pending(1)).rejects.toSatisfy((error) => StoreUnavailable.is(error));
}, 30_000);
