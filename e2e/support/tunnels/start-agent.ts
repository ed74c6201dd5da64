import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root, type RunningProcess, type SeparateStack, startProcess } from '@postern/testkit';
import { stringify } from 'yaml';

/** An agent that is configured with a public address and a way out, and nothing else. */
export interface AgentOptions {
  readonly name: string;
  readonly folder: string;
  readonly stack: SeparateStack;
  /** host:port, which need not be known to anybody but the proxy. */
  readonly proxyServer: string;
  /** `HTTPS_PROXY`; none where the address is reached without one. */
  readonly httpsProxy?: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Starts `postern start` for an agent with a token of its own. */
export async function startTunnelAgent(options: AgentOptions): Promise<RunningProcess> {
  const { name, folder, stack, proxyServer, labels } = options;
  const token = `a-token-for-the-agent-${name}`;
  await stack.admin.must('tctl', ['tokens', 'add', '--type=kube', `--value=${token}`]);
  const pin = /sha256:[0-9a-f]{64}/.exec(await stack.admin.must('tctl', ['status']))?.[0];
  const dataDir = join(folder, name);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const config = {
    version: 'v3',
    teleport: {
      nodename: name,
      proxy_server: proxyServer,
      ca_pin: pin,
      data_dir: dataDir,
      join_params: { token_name: token, method: 'token' },
    },
    auth_service: { enabled: 'no' },
    proxy_service: { enabled: 'no' },
    ssh_service: { enabled: 'no' },
    kubernetes_service: { enabled: 'yes', allow_loopback: true, resources: [{ labels }] },
  };
  await writeFile(join(folder, `${name}.yaml`), stringify(config), { mode: 0o600 });
  return runTunnelAgent(options);
}

/** Starts one that was started before, with what its folder holds. */
export function runTunnelAgent({ name, folder, stack, httpsProxy }: AgentOptions): RunningProcess {
  return startProcess({
    name,
    command: join(root, 'bin', 'postern'),
    args: ['start', '-c', join(folder, `${name}.yaml`)],
    env: {
      PATH: stack.admin.env['PATH'] ?? '',
      HOME: join(folder, name),
      ...(httpsProxy === undefined ? {} : { HTTPS_PROXY: httpsProxy }),
      POSTERN_HEARTBEAT_INTERVAL: '2s',
    },
    cwd: folder,
    logDir: folder,
  });
}
