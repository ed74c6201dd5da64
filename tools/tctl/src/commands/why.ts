import { command, formatOf, jsonText, required, textOr, yamlText } from '@postern/cli';
import { explainRequest } from '../why/explain-request.ts';
import { whyText } from '../why/why-text.ts';

export const why = command({
  name: 'why',
  summary: 'Say why a request to a cluster was allowed or denied, by the roles of that moment',
  args: { id: required('Id of the request: the client is told it, and tctl audit ls shows it') },
  flags: { format: textOr('text', '--format <format>', 'text, json or yaml') },
  async run(context, { args, flags }) {
    const format = formatOf(flags.format, ['text', 'json', 'yaml']);
    const { terminal, clock } = context;
    const answer = await explainRequest(await context.api(), args.id, clock);
    if (format === 'json') terminal.write(jsonText(answer));
    else if (format === 'yaml') terminal.write(await yamlText([answer]));
    else terminal.print(whyText(answer));
  },
});
