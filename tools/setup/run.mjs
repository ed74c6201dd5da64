// Runs a TypeScript program of this repository on the pinned Node, installing dependencies first when they are
// missing or older than the lock file. Plain JavaScript without dependencies: the system's Node (20 or newer) runs it.
import { spawn } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const nodeBin = join(root, 'node_modules', '.bin', 'node');
// npm writes this file at the end of each installation.
const installed = join(root, 'node_modules', '.package-lock.json');

main().catch((error) => {
  console.error(`ERROR: ${error.message}`);
  process.exitCode = 1;
});

async function main() {
  const [program, ...args] = process.argv.slice(2);
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 20) throw new Error(`Node 20 or newer is needed to set Postern up; this is ${process.version}`);
  await ensureDependencies();
  if (!program) return;
  const path = `${join(root, 'node_modules', '.bin')}:${process.env.PATH ?? ''}`;
  process.exitCode = await run(nodeBin, [join(root, program), ...args], { ...process.env, PATH: path });
}

async function ensureDependencies() {
  if (existsSync(nodeBin) && isUpToDate()) return;
  // Not `npm ci`: it insists on packages of every platform, and registries that mirror a part lack some.
  console.error('postern: installing dependencies (about a minute on a new machine)');
  const code = await run(
    'npm',
    ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error'],
    process.env,
    ['ignore', 2, 2],
  );
  if (code !== 0)
    throw new Error('npm install failed: see its message above; is the npm registry reachable?');
  if (!existsSync(nodeBin))
    throw new Error(
      'the pinned Node was not installed: check that install scripts are allowed for the package node',
    );
}

function isUpToDate() {
  return (
    existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs
  );
}

/** Runs a command in the foreground; signals go on to it, and it is told to stop when whoever started us is gone. */
function run(command, args, env, stdio = 'inherit') {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...env, POSTERN_CALLER_CWD: process.env.INIT_CWD ?? process.cwd() },
      stdio,
    });
    const forward = (signal) => child.kill(signal);
    const parent = process.ppid;
    const orphanCheck = setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 1000);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, forward);
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      clearInterval(orphanCheck);
      for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(name, forward);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 143));
    });
  });
}
