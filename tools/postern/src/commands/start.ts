import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { command, list, readTextFile, text, textOr } from '@postern/cli';
import { writePrivateFile } from '@postern/client';

export const start = command({
  name: 'start',
  summary: 'Run the services that a configuration file enables',
  args: {},
  flags: {
    config: textOr('/etc/teleport.yaml', '-c, --config <file>', 'The configuration'),
    token: text('--token <token>', 'Join token instead of the one in the file, or a file that holds it'),
    caPins: list('--ca-pin <pin>', 'Pin of the cluster instead of the one in the file'),
    nodename: text('--nodename <name>', 'Name of this process'),
    diagAddr: text('--diag-addr <host:port>', 'Where /healthz, /readyz and /metrics are answered'),
    pidFile: text('--pid-file <file>', 'Where the process id is kept'),
  },
  async run({ stopSignal, global, cwd, env }, { flags }) {
    const [{ readTeleportYaml }, { withFlags }] = await Promise.all([
      import('@postern/config'),
      import('../start/with-flags.ts'),
    ]);
    const file = resolve(cwd, flags.config);
    const config = withFlags(readTeleportYaml(readTextFile(file)), {
      ...flags,
      debug: global.debug,
    });
    const { startFromTeleportYaml } = await import('../start/start-from-teleport-yaml.ts');
    const { pidFile } = config.teleport;
    if (pidFile !== undefined)
      writePrivateFile(pidFile, `${process.pid}\n`, { overwrite: true, mode: 0o644 });
    try {
      await startFromTeleportYaml(config, { env, signal: stopSignal(), file });
    } finally {
      if (pidFile !== undefined) rmSync(pidFile, { force: true });
    }
  },
});
