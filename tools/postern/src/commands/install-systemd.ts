import { resolve } from 'node:path';
import { command, text, textOr } from '@postern/cli';
import { writePrivateFile } from '@postern/client';

export const installSystemd = command({
  name: 'install systemd',
  summary: 'Write a systemd unit that starts postern with /etc/teleport.yaml',
  args: {},
  flags: {
    envFile: textOr(
      '/etc/default/teleport',
      '--env-file <file>',
      'Environment of the service; need not exist',
    ),
    pidFile: textOr('/run/teleport.pid', '--pid-file <file>', 'Where the process id is kept'),
    fdLimit: textOr('524288', '--fd-limit <number>', 'Most open files'),
    path: text('--teleport-path <file>', 'The program; this one unless given'),
    output: textOr('stdout', '-o, --output <where>', 'stdout or a path'),
  },
  run({ terminal, program, cwd }, { flags }) {
    const unit = unitOf({ ...flags, program: flags.path ?? program });
    if (flags.output === 'stdout') return terminal.write(unit);
    writePrivateFile(resolve(cwd, flags.output), unit, { overwrite: true, mode: 0o644 });
    terminal.print(`The unit was written to ${flags.output}.`);
  },
});

interface Unit {
  readonly program: string;
  readonly envFile: string;
  readonly pidFile: string;
  readonly fdLimit: string;
}

/** systemd waits for the start in order and gives a stopped process time to hand its streams over. */
function unitOf({ program, envFile, pidFile, fdLimit }: Unit): string {
  return `[Unit]
Description=Postern Service
After=network.target

[Service]
Type=simple
Restart=always
RestartSec=5
EnvironmentFile=-${envFile}
ExecStart=${program} start --config=/etc/teleport.yaml --pid-file=${pidFile}
PIDFile=${pidFile}
LimitNOFILE=${fdLimit}

[Install]
WantedBy=multi-user.target
`;
}
