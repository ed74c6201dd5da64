import { randomUUID } from 'node:crypto';
import { agentSubjects, commandSubjects, type Heartbeat, type ServedReport } from '@postern/contracts';
import { type Clock, messageOf, systemClock, version } from '@postern/core';
import type { Telemetry } from '@postern/telemetry';

/** What heartbeats need of a bus. */
export interface HeartbeatBus {
  publish(subject: string, body: unknown): void;
  subscribe(
    subject: string,
    options: { readonly queue?: string },
    onMessage: () => void,
  ): { unsubscribe(): void };
}

/** What an agent serves at this moment, and the number of the change that made it so. */
export type ServedNow = Pick<ServedReport, 'revision' | 'clusters'>;

/** Who sends heartbeats, and what is in them. */
export interface HeartbeatOptions {
  readonly bus: HeartbeatBus;
  readonly identity: { readonly agentId: string };
  readonly hostname: string;
  /** System roles, as in the certificate. */
  readonly services: readonly string[];
  readonly intervalMs: number;
  readonly servedReport?: () => ServedNow;
  readonly telemetry: Pick<Telemetry, 'log'>;
  readonly clock?: Clock;
}

/** Heartbeats that are being sent. Closing them says goodbye. */
export interface Heartbeats extends AsyncDisposable {
  /** Publishes what is served now; call it whenever that changed. */
  reportServed(): void;
}

/** Begins to send heartbeats, the first one at once, and answers when the control plane asks for what is served. */
export function startHeartbeat(options: HeartbeatOptions): Heartbeats {
  const { bus, identity, intervalMs } = options;
  const beat = beats(options);
  const subscription = bus.subscribe(commandSubjects.reportServed(identity.agentId), {}, beat.report);
  beat.send();
  beat.report();
  const timer = setInterval(beat.send, intervalMs);
  return {
    reportServed: beat.report,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      subscription.unsubscribe();
      attempt(options, () => bus.publish(agentSubjects.goodbye(identity.agentId), {}));
    },
  };
}

function beats(options: HeartbeatOptions): { send: () => void; report: () => void } {
  const { bus, identity, hostname, services, intervalMs, servedReport, clock = systemClock } = options;
  const { agentId } = identity;
  const run = { run: randomUUID(), startedAt: clock().toISOString() };
  let sequence = 0;
  const send = () => {
    const servedRevision = servedReport?.().revision ?? 0;
    const body: Heartbeat = {
      ...run,
      agentId,
      sequence: sequence++,
      intervalMs,
      version,
      hostname,
      services: [...services],
      servedRevision,
    };
    attempt(options, () => bus.publish(agentSubjects.heartbeat(agentId), body));
  };
  const report = () => {
    const { revision, clusters } = servedReport?.() ?? { revision: 0, clusters: [] };
    const body: ServedReport = { ...run, agentId, revision, clusters };
    attempt(options, () => bus.publish(agentSubjects.served(agentId), body));
  };
  return { send, report };
}

// A heartbeat that cannot be sent is not sent later: the next one says the same.
function attempt({ telemetry }: HeartbeatOptions, publish: () => void): void {
  try {
    publish();
  } catch (error) {
    telemetry.log.warn('a heartbeat was not sent', { error: messageOf(error) });
  }
}
