import { command, parseLabels, required, text } from '@postern/cli';
import { failure, parseDuration } from '@postern/core';
import { changeResource } from '../resources/change-resource.ts';
import { resourceWords } from '../resources/kind-words.ts';
import { parseNamed } from '../resources/reference.ts';

const NothingToUpdate = failure(
  'invalid_argument',
  'tctl.nothing_to_update',
  () => 'nothing to update: pass --set-labels or --set-ttl',
);

export const update = command({
  name: 'update',
  summary: 'Change the labels or the lifetime of a resource',
  args: { ref: required('type/name') },
  flags: {
    setLabels: text('--set-labels <labels>', 'Replace the labels: key=value,key2=value2'),
    setTtl: text('--set-ttl <duration>', 'Expire the resource after this time'),
  },
  async run(context, { args, flags }) {
    const reference = await parseNamed(args.ref);
    if (flags.setLabels === undefined && flags.setTtl === undefined) throw NothingToUpdate();
    const labels = flags.setLabels === undefined ? {} : { labels: parseLabels(flags.setLabels) };
    const expires = flags.setTtl === undefined ? {} : { expires: after(context.clock(), flags.setTtl) };
    const api = await context.api();
    await changeResource(api, reference, (resource) => ({
      ...resource,
      metadata: { ...resource.metadata, ...labels, ...expires },
    }));
    context.terminal.print(`${resourceWords(reference.kind, reference.name)} has been updated`);
  },
});

function after(now: Date, ttl: string): string {
  return new Date(now.getTime() + parseDuration(ttl)).toISOString();
}
