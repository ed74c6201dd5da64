import { execFile } from 'node:child_process';
import { isAbsolute } from 'node:path';
import { isReservedLabel } from '@postern/contracts';
import { messageOf } from '@postern/core';
import type { Logger } from '@postern/telemetry';

/** Commands whose output becomes the value of a label, by label key. */
export type LabelCommands = Readonly<
  Record<string, { readonly periodMs: number; readonly command: readonly string[] }>
>;

export interface DynamicLabelsDeps {
  readonly log: Logger;
  /** Whether the agent's own configuration allows this program. */
  readonly mayRun: (program: string) => boolean;
  readonly changed: () => void;
}

const minPeriodMs = 1000;
const maxPeriodMs = 2_147_483_647;
const commandMs = 5000;
const maxOutputBytes = 1024;
/**
 * Labels that commands on the agent's host produce. Whoever may register a cluster would run programs on the agent, so only
 * programs that the agent's configuration names by absolute path are run: without a shell, without our environment, for
 * five seconds at most.
 */
export class DynamicLabels {
  readonly #deps: DynamicLabelsDeps;
  readonly #commands: LabelCommands;
  readonly #values = new Map<string, string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #isStopped = false;

  constructor(deps: DynamicLabelsDeps, commands: LabelCommands) {
    this.#deps = deps;
    this.#commands = commands;
  }

  start(): void {
    for (const [key, { command }] of Object.entries(this.#commands)) {
      const [program = ''] = command;
      const why = refusal(key, program, this.#deps.mayRun);
      if (why === undefined) void this.#run(key);
      else this.#deps.log.warn('a label command is not run', { label: key, program, why });
    }
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  current(): Record<string, string> {
    return Object.fromEntries(this.#values);
  }

  async #run(key: string): Promise<void> {
    const { command, periodMs } = this.#commands[key]!;
    const value = await runCommand(command).catch((error: unknown) => `error: ${messageOf(error)}`);
    if (this.#isStopped) return;
    const clean = labelValue(value);
    if (clean !== this.#values.get(key)) {
      this.#values.set(key, clean);
      this.#deps.changed();
    }
    const timer = setTimeout(
      () => void this.#run(key),
      Math.min(Math.max(periodMs, minPeriodMs), maxPeriodMs),
    );
    timer.unref();
    this.#timers.set(key, timer);
  }
}

function refusal(key: string, program: string, mayRun: (program: string) => boolean): string | undefined {
  if (isReservedLabel(key)) return 'the label is reserved';
  if (!isAbsolute(program)) return 'the program is not an absolute path';
  return mayRun(program) ? undefined : "the agent's configuration does not allow the program";
}

function runCommand([program, ...args]: readonly string[]): Promise<string> {
  const options = {
    timeout: commandMs,
    maxBuffer: maxOutputBytes,
    shell: false,
    killSignal: 'SIGKILL',
    cwd: '/',
  } as const;
  return new Promise((resolve, reject) => {
    const child = execFile(
      program!,
      args,
      { ...options, env: { PATH: '/usr/bin:/bin' } },
      (error, stdout) => {
        if (error) reject(error);
        else resolve(stdout);
      },
    );
    child.stdin?.end();
  });
}

function labelValue(output: string): string {
  return output
    .trim()
    .replaceAll(/[^A-Za-z0-9 ._:/@+-]/g, '_')
    .slice(0, 256);
}
