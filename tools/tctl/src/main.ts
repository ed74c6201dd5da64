import { join } from 'node:path';
import { runTool } from '@postern/cli';
import { tctl } from './commands/index.ts';

await runTool(tctl, join(import.meta.dirname, '..', '..', '..', 'bin', 'tctl'));
