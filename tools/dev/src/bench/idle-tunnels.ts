import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startBenchStack } from './bench-stack.ts';
import { cpuSeconds } from './cpu.ts';
import { LineProcess } from './line-process.ts';
import { settledResidentBytes } from './memory.ts';
import type { Measured } from './table.ts';
import type { TunnelAgentsOrder, TunnelAgentsPlan } from './tunnel-agents.ts';

const token = 'a-token-for-idle-agents';
/** Beyond what a process takes once. */
const first = 50;
const idle = 500;

/** What agents that joined and opened a tunnel, and are asked for nothing, cost a real edge. */
export async function benchIdleTunnels(folder: string, scope: AsyncDisposableStack): Promise<Measured[]> {
  mkdirSync(folder, { recursive: true });
  const stack = await startBenchStack(folder, scope);
  await stack.admin.must('tctl', ['tokens', 'add', '--type=kube', `--value=${token}`]);
  const plan: TunnelAgentsPlan = {
    origin: `https://${stack.proxyAddrs[0]}`,
    caFile: join(stack.dataDir, 'ca.pem'),
    token,
  };
  const agents = scope.use(new LineProcess('tunnel-agents.ts', plan));
  const tell = (order: TunnelAgentsOrder) => agents.do<number>(order);
  await tell({ do: 'join', times: first + idle });
  // One that passed no join on: what those left behind would be filled by the tunnels, which would seem to need nothing.
  await stack.process('kube-proxy', 0).stop();
  await stack.restart('kube-proxy-0');
  const { pid } = stack.process('kube-proxy', 0);
  await tell({ do: 'open', times: first });
  const before = await idleUse(pid);
  await tell({ do: 'open', times: idle });
  const after = await idleUse(pid);
  const kilobytes = (after.bytes - before.bytes) / idle / 1000;
  const microseconds = ((after.cpuPerSecond - before.cpuPerSecond) / idle) * 1e6;
  return [
    { path: `idle tunnel, ${idle} at one edge, memory`, figure: `${kilobytes.toFixed(0)} kB` },
    {
      path: `idle tunnel, CPU`,
      figure: `${Math.max(0, microseconds).toFixed(0)} µs per second`,
    },
  ];
}

interface Use {
  readonly bytes: number;
  readonly cpuPerSecond: number;
}

async function idleUse(pid: number): Promise<Use> {
  await settledResidentBytes(pid);
  const [cpu, started] = [cpuSeconds([pid]), performance.now()];
  const bytes = await settledResidentBytes(pid);
  return { bytes, cpuPerSecond: (cpuSeconds([pid]) - cpu) / ((performance.now() - started) / 1000) };
}
