import { join } from 'node:path';
import { runTool } from '@postern/cli';
import { postern } from './commands/index.ts';

await runTool(postern, join(import.meta.dirname, '..', '..', '..', 'bin', 'postern'));
