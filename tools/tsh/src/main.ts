import { join } from 'node:path';
import { runTool } from '@postern/cli';

const isForKubectl = process.argv[2] === 'kube' && process.argv[3] === 'credentials';
const tool = isForKubectl
  ? (await import('./commands/for-kubectl.ts')).tshForKubectl
  : (await import('./commands/index.ts')).tsh;

await runTool(tool, join(import.meta.dirname, '..', '..', '..', 'bin', 'tsh'));
