import { benchAudit } from './bench/audit.ts';
import { benchDataPath } from './bench/data-path.ts';
import { benchHeartbeats } from './bench/heartbeats.ts';
import { benchDiscovery } from './bench/discovery.ts';
import { benchIdleTunnels } from './bench/idle-tunnels.ts';
import { benchJoinFlood } from './bench/join-flood.ts';
import { benchJoins } from './bench/joins.ts';
import { benchLatency } from './bench/latency.ts';
import { benchLists } from './bench/lists.ts';
import { benchReplay } from './bench/replay.ts';
import { describeMachine, nginxVersion } from './bench/machine.ts';
import { runSections, type Section } from './bench/run-sections.ts';
import { benchStore } from './bench/store.ts';
import { benchStreams } from './bench/streams.ts';
import { benchTunnel } from './bench/tunnel.ts';
import { benchViews } from './bench/views.ts';
import { benchWatches } from './bench/watches.ts';

/** With their minutes, which are twice what they take on two quiet cores, all together end within the hour. */
const sections: readonly Section[] = [
  {
    name: 'data-path',
    title: 'Requests through the edge, CPU beside nginx with client certificates on both sides',
    minutes: 12,
    measure: benchDataPath,
  },
  {
    name: 'latency',
    title: 'How long a request takes, and how much of that is ours',
    minutes: 5,
    measure: benchLatency,
  },
  {
    name: 'streams',
    title: 'Commands and forwarded ports through the edge',
    minutes: 8,
    measure: benchStreams,
  },
  {
    name: 'lists',
    title: 'Lists of which a role allows a part, beside lists that pass',
    minutes: 5,
    measure: benchLists,
  },
  { name: 'watches', title: 'Idle watches through the edge', minutes: 5, measure: benchWatches },
  { name: 'idle-tunnels', title: 'Idle tunnels of agents at an edge', minutes: 4, measure: benchIdleTunnels },
  {
    name: 'store',
    title: 'Events: recorded in Postgres, delivered through JetStream',
    minutes: 5,
    measure: benchStore,
  },
  { name: 'audit', title: 'The record of a request, CPU of its edge', minutes: 1, measure: benchAudit },
  { name: 'views', title: 'Label views', minutes: 5, measure: benchViews },
  {
    name: 'tunnel',
    title: 'Tunnels: two processes, TLS between them, beside HTTP/2 of Node',
    minutes: 3,
    measure: benchTunnel,
  },
  { name: 'joins', title: 'Joins, CPU of join-svc', minutes: 3, measure: benchJoins },
  {
    name: 'join-flood',
    title: 'Joins while others guess tokens',
    minutes: 2,
    measure: benchJoinFlood,
  },
  { name: 'heartbeats', title: 'Heartbeats of a fleet', minutes: 5, measure: benchHeartbeats },
  {
    name: 'discovery',
    title: 'Clusters of EKS, found in 20 accounts and 17 regions',
    minutes: 10,
    measure: benchDiscovery,
  },
  { name: 'replay', title: 'Projections rebuilt from events', minutes: 5, measure: benchReplay },
];

const help = `npm run bench [-- SECTION…]   sections: ${sections.map(({ name }) => name).join(', ')}; all of them when none is named
Figures depend on the machine and on what else it does; the ratios to nginx depend on it least.`;

process.exit(await main(process.argv.slice(2)));

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !sections.some((section) => section.name === name));
  if (unknown !== undefined) {
    console.log(help);
    return ['help', '--help', '-h'].includes(unknown) ? 0 : 2;
  }
  for (const line of await describeMachine()) console.log(line);
  const chosen = sections.filter(({ name }) => names.length === 0 || names.includes(name));
  const hasPeer = nginxVersion() !== undefined;
  const failed = await runSections(
    hasPeer ? chosen : chosen.filter(({ name }) => name !== 'data-path'),
    untilStopped(),
  );
  if (hasPeer || !chosen.some(({ name }) => name === 'data-path')) return failed === 0 ? 0 : 1;
  console.error('\nERROR: nginx is not installed, so the ratios of the data path are MISSING above.');
  console.error(
    'Install the Debian package nginx-light (apt-get install nginx-light) and run `npm run bench -- data-path`.',
  );
  return 1;
}

/** Ends the run when somebody wants it to end. A second signal does not wait. */
function untilStopped(): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () =>
      stopping.signal.aborted ? process.exit(1) : stopping.abort(new Error(`stopped by ${signal}`)),
    );
  }
  return stopping.signal;
}
