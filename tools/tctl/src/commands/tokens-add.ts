import {
  type CliContext,
  command,
  formatOf,
  jsonText,
  list,
  parseLabels,
  text,
  textOr,
  yamlText,
} from '@postern/cli';
import type { ResourceDocument } from '@postern/client';
import { AppError, failure, formatDuration, parseDuration, randomHex } from '@postern/core';
import { rolesOfTypes } from '../tokens/token-roles.ts';

const TokenTaken = failure(
  'already_exists',
  'tctl.token_taken',
  (name: string) =>
    `failed to create token (${JSON.stringify(name)} already exists), please use another name`,
);

const TypeNeeded = failure(
  'invalid_argument',
  'tctl.token_type_needed',
  () => 'required flag --type not provided: say what may join, for example --type=kube',
);

const InvalidTtl = failure('invalid_argument', 'tctl.invalid_ttl', () => '--ttl must be longer than nothing');

const tokenBytes = 16;

export const tokensAdd = command({
  name: 'tokens add',
  summary: 'Create a join token',
  args: {},
  flags: {
    type: list('--type <types>', 'What may join: kube, discovery, node, app, db, proxy, …'),
    value: text('--value <token>', 'The token itself; random unless given'),
    labels: text('--labels <labels>', 'Labels of the token: key=value,key2=value2'),
    ttl: textOr('30m', '--ttl <duration>', 'How long it can be used'),
    format: text('--format <format>', 'text prints only the token; json, yaml'),
  },
  async run(context, { flags }) {
    if (!flags.type || flags.type.length === 0) throw TypeNeeded();
    const format = flags.format === undefined ? 'prose' : formatOf(flags.format, ['text', 'json', 'yaml']);
    const roles = await rolesOfTypes(flags.type);
    const ttlMs = parseDuration(flags.ttl);
    if (ttlMs <= 0) throw InvalidTtl();
    const expires = new Date(context.clock().getTime() + ttlMs).toISOString();
    const name = flags.value ?? randomHex(tokenBytes);
    const labels = flags.labels === undefined ? {} : { labels: parseLabels(flags.labels) };
    const metadata = { name, expires, ...labels };
    await store(context, { kind: 'token', version: 'v2', metadata, spec: { roles, join_method: 'token' } });
    await print(context, format, { token: name, roles, expires, ttlMs });
  },
});

interface NewToken {
  readonly token: string;
  readonly roles: readonly string[];
  readonly expires: string;
  readonly ttlMs: number;
}

async function store(context: CliContext, document: ResourceDocument): Promise<void> {
  try {
    await (await context.api()).resources.create(document);
  } catch (error) {
    const isTaken = error instanceof AppError && error.kind === 'already_exists';
    throw isTaken ? TokenTaken.from(error, document.metadata.name) : error;
  }
}

async function print(context: CliContext, format: string, { ttlMs, ...created }: NewToken): Promise<void> {
  const { terminal } = context;
  if (format === 'text') terminal.print(created.token);
  else if (format === 'json') terminal.write(jsonText(created));
  else if (format === 'yaml') terminal.write(await yamlText([created]));
  else terminal.print(await instructions(context, { ttlMs, ...created }));
}

async function instructions(context: CliContext, { token, roles, ttlMs }: NewToken): Promise<string> {
  const api = await context.api();
  const { caPins } = await api.status();
  const pins = caPins.map((pin) => ` --ca-pin=${pin}`).join('');
  return `The join token: ${token}

It can be used for ${formatDuration(ttlMs)} by services with the roles ${roles.join(', ')}.

On the host that is to run the Kubernetes Service:

> postern configure --roles=kube --proxy=${api.proxy} --token=${token}${pins} -o file
> postern start --config=/etc/teleport.yaml
`;
}
