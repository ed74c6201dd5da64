import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { LoadPlan, LoadResult } from './load.ts';

const timeoutMs = 120_000;

/** Runs load in a process of its own. */
export function runLoad(plan: LoadPlan): Promise<LoadResult> {
  return runProgram('load.ts', plan);
}

/** Runs a program of this folder with a plan as its only argument, and reads the one line of JSON that it answers with. */
export function runProgram<Plan, Result>(file: string, plan: Plan): Promise<Result> {
  const child = spawn(process.execPath, [join(import.meta.dirname, file), JSON.stringify(plan)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: timeoutMs,
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(text) as Result);
      else reject(new Error(`${file} ended with ${signal ?? code}: see its error above`));
    });
  });
}
