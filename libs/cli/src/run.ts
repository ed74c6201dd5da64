import { AppError, failureKinds, messageOf, systemClock, untilSignalled } from '@postern/core';
import { openContext, type Surroundings } from './context.ts';
import { oneLine } from './escape.ts';
import { parseCommandLine, type Tool } from './parse.ts';
import { processTerminal } from './terminal.ts';

/**
 * Runs a tool with the command line of this process: the only place that sets exit codes and listens to signals.
 * `program` is the absolute path of the tool's launcher.
 */
export async function runTool(tool: Tool, program: string): Promise<void> {
  process.stdout.on('error', leaveWhenReaderIsGone);
  process.exitCode = await execute(tool, process.argv.slice(2), {
    terminal: processTerminal(),
    env: process.env,
    cwd: process.cwd(),
    clock: systemClock,
    program,
    stopSignal,
  });
}

/**
 * Runs one command line and returns its exit code. A failure is one line on standard error and the exit code of its kind;
 * `-d` adds the trace.
 */
export async function execute(
  tool: Tool,
  args: readonly string[],
  surroundings: Surroundings,
): Promise<number> {
  try {
    return await perform(tool, args, surroundings);
  } catch (error) {
    const { terminal } = surroundings;
    terminal.note(`ERROR: ${oneLine(messageOf(error)) || 'unknown error'}`);
    if (isDebugging(args)) terminal.note(traceOf(error));
    return error instanceof AppError ? failureKinds[error.kind].exit : failureKinds.internal.exit;
  }
}

async function perform(tool: Tool, args: readonly string[], surroundings: Surroundings): Promise<number> {
  const request = await parseCommandLine(tool, args);
  if (request.type === 'run') {
    await using context = openContext(surroundings, request.global);
    await request.run(context);
    return 0;
  }
  const { print, note } = surroundings.terminal;
  (request.isAsked ? print : note)(request.text);
  return request.isAsked ? 0 : failureKinds.invalid_argument.exit;
}

/** The first signal lets the command end in order; a second one ends the process as it always does. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  void untilSignalled().then((signal) => controller.abort(signal));
  return controller.signal;
}

function traceOf(error: unknown): string {
  const heading = error instanceof AppError ? [`${error.kind} ${error.code}`] : [];
  return [...heading, ...causesOf(error).map(({ stack, message }) => stack ?? message)].join('\ncaused by: ');
}

function causesOf(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [];
}

function isDebugging(args: readonly string[]): boolean {
  return args.some((arg) => arg === '--debug' || /^-[a-z]*d[a-z]*$/.test(arg));
}

function leaveWhenReaderIsGone(error: NodeJS.ErrnoException): void {
  // `tctl get roles | head`: the reader has seen enough.
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}
