import { command, formatOf, jsonText, tableText, text, textOr, UsageError } from '@postern/cli';
import type { AuditApi, AuditedRequestRow } from '@postern/client';
import { sinceOf } from '../events/since.ts';
import { typeText } from '../why/request-words.ts';

export const auditLs = command({
  name: 'audit ls',
  aliases: ['list'],
  summary: 'List the requests to clusters, the newest first',
  args: {},
  flags: {
    user: text('--user <name>', 'Only those of this user'),
    cluster: text('--cluster <name>', 'Only those to this cluster'),
    decision: text('--decision <allow|deny>', 'Only those that were allowed, or denied'),
    since: text('--since <time>', 'Only those since that long ago (1h) or that time'),
    limit: textOr('100', '--limit <count>', 'At most so many'),
    format: textOr('text', '--format <format>', 'text or json'),
  },
  async run(context, { flags }) {
    const format = formatOf(flags.format, ['text', 'json']);
    const { user, cluster, since } = flags;
    const filter = {
      ...(user === undefined ? {} : { user }),
      ...(cluster === undefined ? {} : { cluster }),
      ...(flags.decision === undefined ? {} : { decision: decisionOf(flags.decision) }),
      ...(since === undefined ? {} : { since: sinceOf(since, context.clock()) }),
    };
    const limit = limitOf(flags.limit);
    const { requests, hasMore } = await readRequests((await context.api()).audit, filter, limit);
    const { terminal } = context;
    if (format === 'json') terminal.write(jsonText(requests));
    else terminal.print(tableText(tableOf(requests), { width: terminal.width }));
    if (hasMore) terminal.note(`There are older ones: pass a --limit above ${limit} to see them.`);
  },
});

type Filter = Omit<NonNullable<Parameters<AuditApi['requests']>[0]>, 'limit' | 'before'>;

const maxPage = 1000;

async function readRequests(audit: AuditApi, filter: Filter, limit: number) {
  const requests: AuditedRequestRow[] = [];
  for (let before = ''; ;) {
    const wanted = String(Math.min(limit - requests.length, maxPage));
    const page = await audit.requests({ ...filter, limit: wanted, ...(before === '' ? {} : { before }) });
    requests.push(...page.requests);
    before = page.next;
    if (before === '' || requests.length >= limit) return { requests, hasMore: before !== '' };
  }
}

function decisionOf(text: string): 'allow' | 'deny' {
  if (text !== 'allow' && text !== 'deny') throw UsageError('--decision is allow or deny');
  return text;
}

function limitOf(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw UsageError('--limit is a number from 1 to 999999');
  return Number(text);
}

function tableOf(requests: readonly AuditedRequestRow[]) {
  const columns = [
    'Time',
    'User',
    'Cluster',
    'Decision',
    'Verb',
    'Resource',
    'Object',
    'Status',
    'Reason',
    'Request',
  ];
  const rows = requests.map((request) => [
    request.at,
    request.user,
    request.cluster,
    request.decision,
    request.verb,
    typeText(request),
    [request.namespace, request.name].filter((part) => part !== '').join('/'),
    String(request.status),
    request.reason,
    request.requestId,
  ]);
  return { columns, rows, elastic: 'Object' };
}
