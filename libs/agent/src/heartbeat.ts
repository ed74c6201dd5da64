import { randomUUID } from 'node:crypto';
import {
  agentSubjects,
  commandSubjects,
  type Heartbeat,
  type Pong,
  type ServedReport,
} from '@postern/contracts';
import { type Clock, isPlainObject, messageOf, systemClock, version } from '@postern/core';
import type { LastError, Telemetry } from '@postern/telemetry';

/** What heartbeats need of a bus. */
export interface HeartbeatBus {
  publish(subject: string, body: unknown): void;
  subscribe(
    subject: string,
    options: { readonly queue?: string },
    onMessage: (message: { json(): unknown }) => void,
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
  /** What a Discovery Service looks at. */
  readonly discovery?: () => NonNullable<Heartbeat['discovery']>;
  readonly telemetry: Pick<Telemetry, 'log' | 'lastError'>;
  readonly clock?: Clock;
}

/** Heartbeats that are being sent. Closing them says goodbye. */
export interface Heartbeats extends AsyncDisposable {
  /** Publishes what is served now; call it whenever that changed. */
  reportServed(): void;
}

/** Begins to send heartbeats, the first one at once, and answers when the control plane asks for what is served, or whether it is there. */
export function startHeartbeat(options: HeartbeatOptions): Heartbeats {
  const { bus, identity, intervalMs } = options;
  const beat = beats(options);
  const subscriptions = [
    bus.subscribe(commandSubjects.reportServed(identity.agentId), {}, beat.report),
    bus.subscribe(commandSubjects.ping(identity.agentId), {}, (message) => beat.pong(message.json())),
  ];
  beat.send();
  beat.report();
  const timer = setInterval(beat.send, intervalMs);
  return {
    reportServed: beat.report,
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer);
      for (const subscription of subscriptions) subscription.unsubscribe();
      attempt(options, () => bus.publish(agentSubjects.goodbye(identity.agentId), {}));
    },
  };
}

interface Beats {
  readonly send: () => void;
  readonly report: () => void;
  readonly pong: (ping: unknown) => void;
}

function beats(options: HeartbeatOptions): Beats {
  const { bus, identity, hostname, services, intervalMs, servedReport, discovery, telemetry } = options;
  const { clock = systemClock } = options;
  const { agentId } = identity;
  const run = { run: randomUUID(), startedAt: clock().toISOString() };
  let sequence = 0;
  const send = () => {
    const servedRevision = servedReport?.().revision ?? 0;
    const lastError = telemetry.lastError();
    const body: Heartbeat = {
      ...run,
      agentId,
      sequence: sequence++,
      intervalMs,
      version,
      hostname,
      services: [...services],
      servedRevision,
      sentAt: clock().toISOString(),
      ...(lastError ? { lastError: toldError(lastError) } : {}),
      ...(discovery ? { discovery: discovery() } : {}),
    };
    attempt(options, () => bus.publish(agentSubjects.heartbeat(agentId), body));
  };
  const report = () => {
    const { revision, clusters } = servedReport?.() ?? { revision: 0, clusters: [] };
    const body: ServedReport = { ...run, agentId, revision, clusters };
    attempt(options, () => bus.publish(agentSubjects.served(agentId), body));
  };
  const pong = (ping: unknown) => {
    const nonce = isPlainObject(ping) ? ping['nonce'] : undefined;
    if (typeof nonce !== 'string') return;
    const body: Pong = { nonce, at: clock().toISOString() };
    attempt(options, () => bus.publish(agentSubjects.pong(agentId), body));
  };
  return { send, report, pong };
}

const maxErrorCharacters = 300;

/** Whatever was logged, a heartbeat has to be taken: one that is refused would make a silent agent of a talkative one. */
function toldError({ at, message }: LastError): NonNullable<Heartbeat['lastError']> {
  const told = message.slice(0, maxErrorCharacters).replaceAll('\0', '').toWellFormed();
  return { at: at.toISOString(), message: told };
}

// A heartbeat that cannot be sent is not sent later: the next one says the same.
function attempt({ telemetry }: HeartbeatOptions, publish: () => void): void {
  try {
    publish();
  } catch (error) {
    telemetry.log.warn('a heartbeat was not sent', { error: messageOf(error) });
  }
}
