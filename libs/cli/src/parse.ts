import { Argument as Positional, Command as Parser, CommanderError, Option } from 'commander';
import { failure } from '@postern/core';
import type { Argument, Command, Flag } from './command.ts';
import type { CliContext, GlobalFlags } from './context.ts';

/** The command line does not say what a command needs, or says what none knows. */
export const UsageError = failure('invalid_argument', 'cli.usage', (why: string) => why);

/** A tool: its commands and what its help says. */
export interface Tool {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly Command[];
  /** Help line of each first word that has several commands. */
  readonly groups: Readonly<Record<string, string>>;
  /** Whether the tool acts as somebody: it then takes `-i`, `--proxy` and `--insecure`. */
  readonly hasIdentity: boolean;
}

/** What the command line asks for. */
export type Request =
  | RunRequest
  | { readonly type: 'help'; readonly text: string; readonly isAsked: boolean };

interface RunRequest {
  readonly type: 'run';
  readonly global: GlobalFlags;
  run(context: CliContext): Promise<void>;
}

/** Finds the command of a command line and its values. Nothing runs. */
export async function parseCommandLine(tool: Tool, args: readonly string[]): Promise<Request> {
  const output: string[] = [];
  const errors: string[] = [];
  const found: { request?: Request } = {};
  const root = rootParser(tool, { out: (text) => output.push(text), err: (text) => errors.push(text) });
  for (const each of tool.commands) addCommand(root, tool, each, (request) => (found.request = request));
  try {
    await root.parseAsync([...args], { from: 'user' });
  } catch (error) {
    return requestOf(error, output, errors);
  }
  return found.request ?? { type: 'help', text: root.helpInformation(), isAsked: false };
}

function requestOf(error: unknown, output: readonly string[], errors: readonly string[]): Request {
  if (!(error instanceof CommanderError)) throw error;
  const isHelp = error.code === 'commander.helpDisplayed' || error.code === 'commander.help';
  // Help that was asked for goes to the output, help instead of a missing command to the errors.
  if (isHelp) return { type: 'help', text: [...output, ...errors].join(''), isAsked: output.length > 0 };
  throw UsageError.from(error, error.message.replace(/^error: /, ''));
}

interface Sinks {
  out(text: string): void;
  err(text: string): void;
}

function rootParser(tool: Tool, { out, err }: Sinks): Parser {
  const root = new Parser(tool.name).description(tool.summary);
  root.exitOverride().configureOutput({ writeOut: out, writeErr: err, outputError: () => undefined });
  root.helpCommand('help [command]', 'Show how a command is used').helpOption('-h, --help', 'Show this help');
  root.configureHelp({ showGlobalOptions: true });
  if (tool.hasIdentity) {
    root.option('-i, --identity <file>', 'Identity file to act as');
    root.option('--proxy <host:port>', 'Address of the proxy');
    root.option('--insecure', 'Do not check the certificate of the proxy. Dangerous: for tests only');
  }
  return root.option('-d, --debug', 'Print the whole trace of an error');
}

function addCommand(root: Parser, tool: Tool, spec: Command, found: (request: Request) => void): void {
  const words = spec.name.split(' ');
  const parent = words.slice(0, -1).reduce((at, word) => groupOf(at, word, tool), root);
  const parser = parent.command(words.at(-1)!, { hidden: spec.isHidden ?? false }).summary(spec.summary);
  parser.description(spec.summary).aliases([...(spec.aliases ?? [])]);
  for (const [name, arg] of Object.entries(spec.args)) parser.addArgument(positionalOf(name, arg));
  const options = Object.entries(spec.flags).map(([name, flag]) => ({ name, flag, option: optionOf(flag) }));
  for (const { option } of options) parser.addOption(option);
  parser.action(() => {
    const args = Object.fromEntries(
      Object.keys(spec.args).map((name, at) => [name, parser.processedArgs[at] as unknown]),
    );
    const given: Record<string, unknown> = parser.opts();
    const flags = Object.fromEntries(
      options.map(({ name, flag, option }) => [name, given[option.attributeName()] ?? flag.initial]),
    );
    const global = { insecure: false, debug: false, ...root.opts<Partial<GlobalFlags>>() };
    found({ type: 'run', global, run: (context) => spec.run(context, { args, flags }) });
  });
}

function groupOf(parent: Parser, word: string, tool: Tool): Parser {
  const existing = parent.commands.find((each) => each.name() === word);
  return existing ?? parent.command(word).description(tool.groups[word] ?? '');
}

function positionalOf(name: string, { summary, shape }: Argument<unknown>): Positional {
  const dashed = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const syntax = { required: `<${dashed}>`, optional: `[${dashed}]`, rest: `[${dashed}...]` }[shape];
  return new Positional(syntax, summary);
}

function optionOf(flag: Flag<unknown>): Option {
  const option = new Option(flag.syntax, flag.summary)
    .hideHelp(flag.isHidden)
    .makeOptionMandatory(flag.isRequired);
  if (flag.isList)
    option.argParser((value: string, previous?: readonly string[]) => [
      ...(previous ?? []),
      ...itemsOf(value),
    ]);
  else if (typeof flag.initial === 'string' && flag.initial !== '')
    option.default(flag.initial, flag.initial);
  return option;
}

function itemsOf(value: string): string[] {
  return value
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
