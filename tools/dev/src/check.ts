import { spawnSync } from 'node:child_process';
import { root } from './workspace.ts';

/** Everything that must hold beside the tests; each is a script of the root package and a cached Nx target. */
const targets = [
  'check-types',
  'check-lint',
  'check-format',
  'check-boundaries',
  'check-unused',
  'check-docs',
];

let failed = 0;
for (const target of targets) {
  const run = spawnSync('nx', ['run', `postern-workspace:${target}`, '--output-style=static'], {
    cwd: root,
    env: { ...process.env, NX_TUI: 'false', NX_DAEMON: 'false', FORCE_COLOR: '0' },
    encoding: 'utf8',
  });
  const ok = run.status === 0;
  console.log(
    `${ok ? 'ok    ' : 'FAILED'} ${target}${run.stdout.includes('existing outputs match the cache') || run.stdout.includes('from cache') ? ' (cached)' : ''}`,
  );
  if (!ok) {
    failed += 1;
    console.log(run.stdout + run.stderr);
  }
}
console.log(`${targets.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
