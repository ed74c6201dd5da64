import { runCommand } from '../process/run-command.ts';

/** The version a server program says it is, such as v1.20.2. */
export async function readKubeVersion(program: string): Promise<string> {
  const text = await runCommand(program, ['--version']);
  const version = /v\d+\.\d+\.\d+\S*/.exec(text)?.[0];
  if (!version) throw new Error(`${program} --version does not name a version: ${text.slice(0, 80)}`);
  return version;
}

/** The 20 of v1.20.2. */
export function minorOf(version: string): number {
  return Number(/^v?1\.(\d+)/.exec(version)?.[1] ?? Number.NaN);
}
