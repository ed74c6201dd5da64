import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { openIdentity } from '@postern/agent';
import { systemClock } from '@postern/core';
import { clientTls, type HeldIdentity } from '@postern/identity';
import { silentTelemetry } from '@postern/telemetry';
import { type StreamEvents, Tunnel, tunnelProtocol, type TunnelStream } from '@postern/tunnel';

/** How agents join, each with an identity of its own. */
export interface TunnelAgentsPlan {
  readonly origin: string;
  readonly caFile: string;
  readonly token: string;
}

/** So many agents join, or so many of those that joined open a tunnel. */
export interface TunnelAgentsOrder {
  readonly do: 'join' | 'open';
  readonly times: number;
}

const atOnce = 8;
const plan = JSON.parse(process.argv[2]!) as TunnelAgentsPlan;
const { hostname: host, port } = new URL(plan.origin);
const telemetry = silentTelemetry();
const joined: HeldIdentity[] = [];
const nothing = () => undefined;

// Each line on the standard input is an order; it is answered with how often it was obeyed.
for await (const line of createInterface({ input: process.stdin })) {
  const { do: what, times } = JSON.parse(line) as TunnelAgentsOrder;
  let left = times;
  const doAgain = async () => {
    while (left > 0) {
      left -= 1;
      await (what === 'join' ? join() : open());
    }
  };
  await Promise.all(Array.from({ length: atOnce }, doAgain));
  console.log(times);
}

async function join(): Promise<void> {
  const { held } = await openIdentity({
    joinUrls: [plan.origin],
    trust: { caFile: plan.caFile },
    token: plan.token,
    roles: ['Kube'],
    hostname: 'idle',
    telemetry,
    clock: systemClock,
  });
  joined.push(held);
}

async function open(): Promise<void> {
  const held = joined.pop()!;
  const tls = clientTls(held, { expect: { type: 'svc', role: 'Proxy' } });
  const socket = connect({ ...tls, host, port: Number(port), ALPNProtocols: [tunnelProtocol] });
  await once(socket, 'secureConnect');
  const report = (error: unknown) => {
    throw error;
  };
  const tunnel = new Tunnel(socket.setNoDelay(true), { side: 'dialer', accept, report });
  void tunnel.closed.then((reason) => {
    throw new Error(`a tunnel was closed: ${reason?.message ?? 'drained'}`);
  });
}

/** The edge asks whether anybody is there, and tells how many edges there are. */
function accept(stream: TunnelStream): StreamEvents {
  stream.answer({ status: 204, headers: [] });
  stream.end();
  return { data: nothing, end: nothing, reset: nothing, drain: nothing };
}
