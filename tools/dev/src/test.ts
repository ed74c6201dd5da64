import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureKubeAssets } from '@postern/lab';
import { root } from './workspace.ts';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numFailedTestSuites: number;
}

const projects = ['unit', 'integration', 'e2e'];
const wanted = process.argv.slice(2).filter((argument) => projects.includes(argument));
const rest = process.argv.slice(2).filter((argument) => !projects.includes(argument));

// Nothing is skipped quietly: when the API server cannot be had, the tests that need it fail and say so.
await ensureKubeAssets({
  need: ['kube-apiserver', 'etcd', 'kubectl'],
  progress: (line) => console.error(`postern: ${line}`),
}).catch((error: Error) =>
  console.error(`postern: a real kube-apiserver could not be had, its tests will fail: ${error.message}`),
);

const folder = mkdtempSync(join(tmpdir(), 'postern-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };
for (const project of wanted.length > 0 ? wanted : projects) await runProject(project);
rmSync(folder, { recursive: true, force: true });
console.log(
  `${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`,
);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;

async function runProject(project: string): Promise<void> {
  const file = join(folder, `${project}.json`);
  const child = spawn('vitest', ['run', '--project', project, ...rest], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, POSTERN_TEST_REPORT: file },
  });
  const code = await new Promise<number>((resolve) => child.on('exit', (status) => resolve(status ?? 1)));
  const report = readReport(file);
  total.passed += report?.numPassedTests ?? 0;
  total.skipped += report?.numPendingTests ?? 0;
  total.failed += report?.numFailedTests ?? 0;
  // A suite that could not even be loaded has no failed test to count.
  if (code !== 0 && (report?.numFailedTests ?? 0) === 0)
    total.failed += Math.max(1, report?.numFailedTestSuites ?? 0);
}

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch {
    return undefined;
  }
}
