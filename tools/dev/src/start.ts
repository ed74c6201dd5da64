import { messageOf } from '@postern/core';
import { readOptions, startHelp } from './start/options.ts';
import { runUntilStopped } from './start/run-until-stopped.ts';
import { startSystem } from './start/system.ts';

const progress = (line: string) => console.log(`postern: ${line}`);

try {
  const options = readOptions(process.argv.slice(2), process.env['POSTERN_CALLER_CWD'] ?? process.cwd());
  if (options.help) console.log(startHelp);
  else await runUntilStopped((signal) => startSystem(options, { progress, signal }), progress);
} catch (error) {
  console.error(`ERROR: ${messageOf(error)}`);
  process.exitCode = 1;
}
