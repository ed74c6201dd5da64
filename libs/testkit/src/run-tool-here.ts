import { execute, type Surroundings, type Tool, withoutEscapes } from '@postern/cli';

/** What one command line did. */
export interface ToolOutcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The surroundings of a command line that a test cares about. */
export interface ToolOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  /** Columns of the pretended terminal. */
  readonly width?: number;
  readonly clock?: Surroundings['clock'];
}

/** Runs a command line of a tool inside this process: no Node to start, the output collected. */
export async function runToolHere(
  tool: Tool,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolOutcome> {
  const out: string[] = [];
  const err: string[] = [];
  const lines = (text: string) => (text === '' || text.endsWith('\n') ? text : `${text}\n`);
  const code = await execute(tool, args, {
    terminal: {
      width: options.width,
      isInteractive: false,
      print: (text) => void out.push(lines(withoutEscapes(text))),
      write: (data) => void out.push(data),
      note: (text) => void err.push(lines(withoutEscapes(text))),
      readInput: async () => options.input ?? '',
      ask: async () => '',
      onKey: () => () => undefined,
    },
    env: options.env ?? {},
    cwd: options.cwd ?? '/',
    clock: options.clock ?? (() => new Date()),
    program: `/opt/postern/bin/${tool.name}`,
    stopSignal: () => new AbortController().signal,
  });
  return { code, out: out.join(''), err: err.join('') };
}
