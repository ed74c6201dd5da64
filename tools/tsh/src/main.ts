import { join } from 'node:path';
import { runTool } from '@postern/cli';
import { tsh } from './commands/index.ts';

await runTool(tsh, join(import.meta.dirname, '..', '..', '..', 'bin', 'tsh'));
