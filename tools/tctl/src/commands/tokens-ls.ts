import {
  type CliContext,
  command,
  formatOf,
  hasLabels,
  jsonText,
  labelsText,
  on,
  parseLabels,
} from '@postern/cli';
import { tableText, text, yamlText } from '@postern/cli';
import type { ResourceDocument } from '@postern/client';
import { isStatic, staticToken } from '../tokens/static-tokens.ts';
import { expiryText } from '../tokens/token-expiry.ts';

export const tokensLs = command({
  name: 'tokens ls',
  summary: 'List join tokens, those that end first on top',
  args: {},
  flags: {
    format: text('--format <format>', 'text prints names only; json, yaml'),
    withSecrets: on('--with-secrets', 'Print tokens whose name is the secret unmasked'),
    labels: text('--labels <labels>', 'Only tokens with these labels'),
  },
  async run(context, { flags }) {
    const format = flags.format === undefined ? 'table' : formatOf(flags.format, ['text', 'json', 'yaml']);
    const wanted = flags.labels === undefined ? {} : parseLabels(flags.labels);
    const api = await context.api();
    const listed = await api.resources.list('token', { withSecrets: flags.withSecrets });
    const all = [...listed, ...(await api.staticTokens()).map(staticToken)];
    const tokens = all.filter(({ metadata }) => hasLabels(metadata.labels ?? {}, wanted)).toSorted(byExpiry);
    await print(context, format, tokens);
  },
});

/** Sorts behind every time. */
const never = '~';

/** Tokens without an end come last. */
function byExpiry({ metadata: a }: ResourceDocument, { metadata: b }: ResourceDocument): number {
  const [left, right] = [a.expires ?? never, b.expires ?? never];
  return left === right ? a.name.localeCompare(b.name) : left < right ? -1 : 1;
}

async function print(
  context: CliContext,
  format: string,
  tokens: readonly ResourceDocument[],
): Promise<void> {
  const { terminal } = context;
  const names = tokens.map(({ metadata }) => metadata.name);
  if (format === 'json') terminal.write(jsonText(tokens));
  else if (format === 'yaml') terminal.write(await yamlText(tokens));
  else if (format === 'text')
    terminal.print(names.length === 0 ? 'No active tokens found.' : names.join('\n'));
  else terminal.print(tokenTable(tokens, context));
}

function tokenTable(tokens: readonly ResourceDocument[], { clock, terminal }: CliContext): string {
  const now = clock();
  const rows = tokens.map(({ metadata, spec }) => [
    metadata.name,
    Array.isArray(spec['roles']) ? spec['roles'].join(',') : '',
    labelsText(metadata.labels ?? {}),
    isStatic(metadata.name) ? 'never (static)' : expiryText(metadata.expires, now),
  ]);
  const columns = ['Token', 'Type', 'Labels', 'Expiry Time (UTC)'];
  return tableText({ columns, rows }, { width: terminal.width });
}
