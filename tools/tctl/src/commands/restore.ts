import { command, on, requiredText, required } from '@postern/cli';
import type { Api, RestoreReply } from '@postern/client';
import { failure } from '@postern/core';
import { fieldLines } from '../history/field-lines.ts';
import { momentOf } from '../history/moment.ts';
import { resourceWords } from '../resources/kind-words.ts';
import { parseNamed, type Reference } from '../resources/reference.ts';

const NoRevision = failure(
  'internal',
  'tctl.no_revision',
  () => 'the answer names no revision: are the client and the server of the same version?',
);

export const restore = command({
  name: 'restore',
  summary: 'Bring a resource back to what it was',
  args: { ref: required('type/name') },
  flags: {
    to: requiredText('--to <revision>', 'The revision, as tctl history shows it; or when, or how long ago'),
    dryRun: on('--dry-run', 'Show what would change, and change nothing'),
  },
  async run(context, { args, flags }) {
    const { terminal, clock } = context;
    const { kind, name } = await parseNamed(args.ref);
    const api = await context.api();
    const to = await revisionOf(api, { kind, name }, flags.to, clock());
    const preview = await api.history.restore(kind, name, { to, dryRun: true });
    const words = resourceWords(kind, name);
    if (preview.fields.length === 0) return terminal.print(`${words} is like that already`);
    terminal.print(previewLines(preview).join('\n'));
    if (flags.dryRun) return terminal.print(`${words} would be restored to ${to}: nothing was changed`);
    // What is overwritten is what was shown.
    const { revision } = await api.history.restore(kind, name, { to, over: preview.over });
    terminal.print(`${words} has been restored to ${to}, its revision is ${revision} now`);
  },
});

async function revisionOf(
  api: Api,
  { kind, name }: Required<Reference>,
  text: string,
  now: Date,
): Promise<string> {
  const moment = momentOf(text, now);
  if ('revision' in moment) return moment.revision;
  const { revision } = (await api.history.at(kind, name, moment)).metadata;
  if (revision === undefined) throw NoRevision();
  return revision;
}

function previewLines({ fields, keptSecrets }: RestoreReply): string[] {
  return [
    ...fields.flatMap(fieldLines),
    ...keptSecrets.map((path) => `  ${path}: ***** (stays as it is now: the older one was destroyed)`),
  ];
}
