import { describe, expect, test } from 'vitest';
import { command, list, on, optional, required, requiredText, rest, text, textOr } from './command.ts';
import type { CliContext } from './context.ts';
import { parseCommandLine, type Tool } from './parse.ts';

const seen: unknown[] = [];

const everything = command({
  name: 'things add',
  aliases: ['new'],
  summary: 'Add a thing',
  args: { name: required('Its name'), more: rest('Others') },
  flags: {
    format: textOr('text', '--format <format>', 'How to print'),
    note: text('-n, --note <text>', 'A note'),
    force: on('-f, --force', 'Overwrite'),
    roles: list('--roles <roles>', 'Roles'),
    out: requiredText('-o, --out <file>', 'Where'),
  },
  run: (_, input) => void seen.push(input),
});

const plain = command({
  name: 'plain',
  summary: 'Plain',
  args: { file: optional('File') },
  flags: {},
  run: (_, input) => void seen.push(input),
});

const tool: Tool = {
  name: 'demo',
  summary: 'A demo',
  hasIdentity: true,
  groups: { things: 'Manage things' },
  commands: [everything, plain],
};

async function parse(...args: string[]) {
  const request = await parseCommandLine(tool, args);
  if (request.type === 'help') return request;
  seen.length = 0;
  await request.run({} as CliContext);
  return { global: request.global, input: seen[0] };
}

describe('a command line', () => {
  test('becomes typed arguments and flags', async () => {
    const { input } = (await parse(
      'things',
      'add',
      'a',
      'b',
      'c',
      '-f',
      '--roles=x,y',
      '--roles',
      'z',
      '-o',
      'file',
    )) as { input: unknown };
    expect(input).toEqual({
      args: { name: 'a', more: ['b', 'c'] },
      flags: { format: 'text', note: undefined, force: true, roles: ['x', 'y', 'z'], out: 'file' },
    });
  });

  test('may call a command by its alias', async () => {
    expect(await parse('things', 'new', 'a', '--out=f')).toMatchObject({ input: { args: { name: 'a' } } });
  });

  test.each([[['-i', 'id.pem', 'plain']], [['plain', '-i', 'id.pem']]])(
    'takes global flags on either side: %j',
    async (args) => {
      expect(await parse(...args)).toMatchObject({
        global: { identity: 'id.pem', insecure: false, debug: false },
      });
    },
  );

  test.each([
    [['frob'], /unknown command 'frob'/],
    [['plain', '--nope'], /unknown option '--nope'/],
    [['things', 'add', '--out=f'], /missing required argument 'name'/],
    [['things', 'add', 'a'], /required option '-o, --out <file>' not specified/],
    [['plain', 'a', 'b'], /too many arguments/],
    [['things', 'add', 'a', '--out'], /argument missing/],
  ])('that is wrong is refused in one sentence: %j', async (args, message) => {
    await expect(parse(...args)).rejects.toMatchObject({
      kind: 'invalid_argument',
      message: expect.stringMatching(message) as string,
    });
  });

  test.each([
    [['--help'], true, 'Manage things'],
    [['things', 'add', '--help'], true, '--format <format>'],
    [['help', 'plain'], true, 'Usage: demo plain'],
    [[], false, 'Usage: demo'],
    [['things'], false, 'Usage: demo things'],
  ])('may ask for help: %j', async (args, isAsked, content) => {
    const request = await parse(...args);
    expect(request).toMatchObject({ type: 'help', isAsked });
    expect('text' in request ? request.text : '').toContain(content);
  });
});
