import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CommandOptions, type Finished, mustRun, runCommand } from './run-command.ts';

/** The repository's root folder. */
export const root = join(fileURLToPath(import.meta.url), '..', '..', '..', '..', '..');

/** Runs the command-line tools as a person would, against one control plane. */
export interface Tools {
  readonly env: Readonly<Record<string, string>>;
  /** Runs `bin/<tool>`; the exit code is the caller's to look at. */
  run(tool: 'tctl' | 'tsh' | 'postern', args: readonly string[], options?: CommandOptions): Promise<Finished>;
  /** Runs `bin/<tool>` and returns its standard output; fails when the tool does. */
  must(tool: 'tctl' | 'tsh' | 'postern', args: readonly string[], options?: CommandOptions): Promise<string>;
  /** Runs kubectl with this person's kubeconfig. */
  kubectl(args: readonly string[], options?: CommandOptions): Promise<Finished>;
}

/** A person at a shell: a home directory, a kubeconfig and, unless it is the admin, an identity file. */
export function toolsFor(person: { home: string; dataDir: string; identityFile?: string }): Tools {
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    HOME: person.home,
    TELEPORT_HOME: join(person.home, '.tsh'),
    KUBECONFIG: join(person.home, 'kubeconfig'),
    POSTERN_DATA_DIR: person.dataDir,
    ...(person.identityFile ? { TELEPORT_IDENTITY_FILE: person.identityFile } : {}),
  };
  const merged = (options: CommandOptions = {}) => ({
    ...options,
    env: { ...env, ...options.env },
    cwd: options.cwd ?? person.home,
  });
  return {
    env,
    run: (tool, args, options) => runCommand(join(root, 'bin', tool), args, merged(options)),
    must: (tool, args, options) => mustRun(join(root, 'bin', tool), args, merged(options)),
    kubectl: (args, options) => runCommand('kubectl', args, merged(options)),
  };
}

/** Text without the differences that tables may have: runs of blanks collapsed, line ends trimmed, lower case. */
export function plain(text: string): string {
  return text
    .split('\n')
    .map((line) =>
      line
        .replaceAll(/[ \t]+/g, ' ')
        .trimEnd()
        .toLowerCase(),
    )
    .join('\n')
    .trim();
}
