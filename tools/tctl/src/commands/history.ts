import { command, formatOf, jsonText, optional, text, textOr, yamlText } from '@postern/cli';
import { failure } from '@postern/core';
import { changeLines } from '../history/change-lines.ts';
import { collect, limitOf } from '../history/collect.ts';
import { timeOf } from '../history/moment.ts';
import { parseReferences, type Reference } from '../resources/reference.ts';

const OneResource = failure(
  'invalid_argument',
  'tctl.history_of_one',
  () => 'write one type or type/name, or none to see the changes of everything',
);

const InvalidIncluding = failure(
  'invalid_argument',
  'tctl.invalid_including',
  (given: string) => `invalid change ${JSON.stringify(given.slice(0, 100))}: write it as type/name@revision`,
);

export const history = command({
  name: 'history',
  summary: 'Show who changed what and when, the newest first',
  args: { ref: optional('type/name, a type, or nothing for everything') },
  flags: {
    user: text('--user <user>', 'Only what this user did'),
    since: text('--since <time>', 'Only since that long ago (2h), or since that time'),
    limit: textOr('20', '--limit <number>', 'At most so many changes'),
    including: text('--including <change>', 'Wait until type/name@revision is in the list of many'),
    format: textOr('text', '--format <format>', 'text, json or yaml'),
  },
  async run(context, { args, flags }) {
    const format = formatOf(flags.format, ['text', 'json', 'yaml']);
    const { terminal, clock } = context;
    const { kind, name } = await referenceOf(args.ref);
    const limit = limitOf(flags.limit);
    const filter = {
      ...(flags.user === undefined ? {} : { user: flags.user }),
      ...(flags.since === undefined ? {} : { since: timeOf(flags.since, clock()) }),
    };
    const including = flags.including === undefined ? {} : { including: await changeNamed(flags.including) };
    const api = (await context.api()).history;
    const { changes, hasMore } = await collect(limit, (range) =>
      kind !== undefined && name !== undefined
        ? api.of(kind, name, { ...filter, ...range })
        : api.changes({ ...(kind === undefined ? {} : { kind }), ...filter, ...including, ...range }),
    );
    if (format === 'json') terminal.write(jsonText(changes));
    else if (format === 'yaml') terminal.write(await yamlText(changes));
    else
      terminal.print(changes.map((change) => changeLines(change).join('\n')).join('\n\n') || 'No changes.');
    if (hasMore) terminal.note(`There are older changes: --limit shows more than ${limit}.`);
  },
});

async function referenceOf(ref: string | undefined): Promise<Partial<Reference>> {
  if (ref === undefined) return {};
  const [reference, ...others] = await parseReferences(ref);
  if (others.length > 0) throw OneResource();
  return reference!;
}

async function changeNamed(given: string) {
  const cut = given.lastIndexOf('@');
  const [reference] = cut > 0 ? await parseReferences(given.slice(0, cut)) : [];
  if (reference?.name === undefined) throw InvalidIncluding(given);
  return { kind: reference.kind, name: reference.name, revision: given.slice(cut + 1) };
}
