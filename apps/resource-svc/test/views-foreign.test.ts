import { openView } from '@postern/bus';
import { everything, viewSubject } from '@postern/contracts';
import { until } from '@postern/testkit';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startService, type TestService } from './support/service.ts';

let service: TestService;

beforeAll(async () => {
  service = await startService();
});

afterAll(() => service[Symbol.asyncDispose]());

test('what somebody else had written over an entry removes it for no reader, and is written again', async () => {
  await service.joined('edge-reads', ['Proxy']);
  const gone: string[] = [];
  const view = openView(service.bus, {
    agentId: 'edge-reads',
    selector: everything('role', 'user'),
    snapshotIntervalMs: 100,
    onChange: ({ id, resource }) => void (resource || gone.push(id)),
  });
  onTestFinished(() => view.close());
  await view.ready;
  const { hash } = view;
  const row = await service.store.db
    .selectFrom('view')
    .select('generation')
    .where('hash', '=', hash)
    .executeTakeFirstOrThrow();
  const subject = viewSubject({ hash, generation: row.generation }, 'role', 'editor');
  // As the server's acknowledgement of a fact is, whose sender named this subject for it.
  const { seq } = await service.bus.connection.jetstream.publish(subject, '{"stream":"FACT","seq":1}');
  const isWritten = async () => {
    const { streams } = await service.bus.connection.manager();
    const last = await streams.getMessage('VIEW', { last_by_subj: subject });
    return last !== null && last.seq > seq && last.json<{ id?: string }>().id === 'editor';
  };
  await until('it is written again', isWritten);
  expect(gone).toEqual([]);
  expect(view.get('role', 'editor')).toBeDefined();
});
