import type { Tool } from '@postern/cli';
import { configure } from './configure.ts';
import { discoveryBootstrap } from './discovery-bootstrap.ts';
import { installSystemd } from './install-systemd.ts';
import { rebuild } from './rebuild.ts';
import { start } from './start.ts';
import { version } from './version.ts';

/** The service tool. One file per command, and one line here. */
export const postern: Tool = {
  name: 'postern',
  summary: 'Configure and run the services of a host',
  hasIdentity: false,
  groups: {
    discovery: 'Prepare AWS for the Discovery Service',
    install: 'Make files for the host’s service manager',
  },
  commands: [start, configure, discoveryBootstrap, installSystemd, rebuild, version],
};
