import type { Api, RecordingRow } from '@postern/client';
import { failure, parseDuration } from '@postern/core';
import { command, text, textOr } from './command.ts';
import { formatOf, jsonText } from './format.ts';
import { tableText } from './table.ts';

const InvalidCount = failure(
  'invalid_argument',
  'cli.invalid_count',
  (value: string) => `${JSON.stringify(value.slice(0, 20))} is no count: give a number from 1 to 1000`,
);

/** `recordings ls` of every tool: the recordings that the caller may see. */
export const recordingsLs = command({
  name: 'recordings ls',
  aliases: ['list'],
  summary: 'List the recordings of sessions that you may see, the newest first',
  args: {},
  flags: {
    user: text('--user <name>', 'Only those of this user'),
    cluster: text('--cluster <name>', 'Only those in this cluster'),
    since: text('--since <duration>', 'Only those that began that long ago at most, such as 24h'),
    limit: textOr('100', '--limit <count>', 'At most so many'),
    format: textOr('text', '-f, --format <format>', 'text or json'),
  },
  async run(context, { flags: { format, since, limit, user, cluster } }) {
    const shown = formatOf(format, ['text', 'json']);
    if (!/^[1-9][0-9]{0,2}$|^1000$/.test(limit)) throw InvalidCount(limit);
    const { recordings, next } = await (
      await context.api()
    ).recordings.list({
      limit,
      ...(user === undefined ? {} : { user }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(since === undefined
        ? {}
        : { since: new Date(context.clock().getTime() - parseDuration(since)).toISOString() }),
    });
    const { terminal } = context;
    if (shown === 'json') terminal.write(jsonText(recordings));
    else terminal.print(tableText(tableOf(recordings), { width: terminal.width }));
    if (next !== '') terminal.note(`There are older ones: pass a --limit above ${limit} to see them.`);
  },
});

type Recordings = Awaited<ReturnType<Api['recordings']['list']>>['recordings'];

function tableOf(recordings: Recordings) {
  const columns = ['Session', 'Started', 'User', 'Cluster', 'Container', 'Type', 'Command', 'Whole'];
  return { columns, rows: recordings.map(rowOf), elastic: 'Command' };
}

function rowOf(row: RecordingRow): string[] {
  const { sessionId, startedAt, user, cluster, namespace, pod, container, type, command: words } = row;
  const place = `${namespace}/${pod}${container === '' ? '' : `/${container}`}`;
  return [sessionId, startedAt, user, cluster, place, type, words, row.isComplete ? 'yes' : 'no'];
}
