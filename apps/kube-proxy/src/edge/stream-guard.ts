import type { RecordingMode } from '@postern/contracts';
import { type AppError, failure } from '@postern/core';
import type { InFlight, UpgradeReply } from '../agent/serve.ts';
import type { UpgradeClient } from '../forward/upgrade.ts';
import { GuardedClient } from '../guard/guarded-client.ts';
import type { StreamWatch } from '../guard/stream-watch.ts';
import { watchSpdyCommand, watchWebSocketCommand } from '../guard/watch-command.ts';
import { watchPortChannels, watchSpdyPorts, watchTunnel } from '../guard/watch-port-forward.ts';
import type { UpgradeAnswer } from '../listen/upgrade-answer.ts';
import { askedPorts } from '../port-forward/forwarded-ports.ts';
import { tunnelProtocol } from '../port-forward/protocols.ts';
import type { Recordings } from '../recording/recordings.ts';
import { SessionRecorder } from '../recording/session-recorder.ts';
import { commandQuery, commandRequestOf } from '../remote-command/command-request.ts';
import { websocketProtocols } from '../remote-command/websocket-protocols.ts';
import type { ClientHeaders } from '../request/client-headers.ts';
import type { RequestInfo } from '../request/request-info.ts';
import { readHandshake, type StreamHandshake } from '../upgrades/handshake.ts';
import type { RequestRecord } from './request-record.ts';

export const NotRecordable = failure(
  'permission_denied',
  'kube.not_recordable',
  () =>
    'commands that a kubelet runs cannot be recorded, and your roles require that sessions are (record_session: strict): use exec',
);

/** A decided upgrade. */
export interface GuardedUpgrade {
  readonly info: RequestInfo;
  readonly headers: ClientHeaders;
  readonly answer: UpgradeAnswer;
  /** How a session is recorded; undefined for what is none. */
  readonly mode: RecordingMode | undefined;
  readonly record: Pick<RequestRecord, 'requestId' | 'user' | 'kubeUser' | 'cluster' | 'at'>;
  /** Ends the stream once it is under way. */
  readonly cut: (error: AppError) => void;
}

/** A stream that the edge reads along: what it may send on is checked, sessions are recorded, and who is cut is told why. */
export interface StreamGuard {
  /** The request in the one spelling that goes on. */
  readonly info: RequestInfo;
  readonly isRecorded: boolean;
  /** Begins what has to be there before any byte flows, then starts. */
  start(
    reply: Omit<UpgradeReply, 'client'>,
    begin: (reply: UpgradeReply) => InFlight | Promise<InFlight>,
  ): Promise<InFlight> | InFlight;
}

/** Reads the handshake of an upgrade and prepares for its kind. Throws what the upgrade is refused with. */
export function guardStream(recordings: Recordings, upgrade: GuardedUpgrade): StreamGuard {
  const handshake = readHandshake(upgrade.info, upgrade.headers);
  if (handshake.kind === 'command') return guardCommand(recordings, upgrade, handshake);
  if (handshake.kind === 'portforward') return guardPorts(upgrade, handshake);
  requireRecordable(upgrade.info, upgrade.mode, true);
  const { info, answer } = upgrade;
  return { info, isRecorded: false, start: (reply, begin) => begin({ ...reply, client: answer }) };
}

const kubeletCommands: ReadonlySet<string> = new Set(['run', 'exec', 'attach', 'cri']);

/** Refuses the ways to a command that nobody could record: through the proxy of a node its kubelet takes them. */
export function requireRecordable(
  info: RequestInfo,
  mode: RecordingMode | undefined,
  isUpgrade = false,
): void {
  if (mode !== 'strict' || info.subresource !== 'proxy') return;
  const [, behind = ''] = /\/proxy\/([^/]*)/.exec(info.path) ?? [];
  if (isUpgrade || kubeletCommands.has(behind)) throw NotRecordable();
}

function guardPorts(
  { info, answer, cut }: GuardedUpgrade,
  { protocol, offered }: StreamHandshake,
): StreamGuard {
  const asked = askedPorts(info);
  const watch = (chosen: string): StreamWatch => {
    if (protocol === 'SPDY/3.1') return watchSpdyPorts(asked);
    return chosen === tunnelProtocol ? watchTunnel(watchSpdyPorts(asked)) : watchPortChannels(asked);
  };
  const client = new GuardedClient({
    answer,
    watch: (headers) => watch(chosenOf(headers, offered)),
    refused: cut,
  });
  return { info, isRecorded: false, start: (reply, begin) => begin({ ...reply, client }) };
}

function guardCommand(
  recordings: Recordings,
  { info, answer, mode, record, cut }: GuardedUpgrade,
  { protocol, offered }: StreamHandshake,
): StreamGuard {
  const request = commandRequestOf(info);
  const recorder = new SessionRecorder(recordings, mode ?? 'strict', {
    sessionId: record.requestId,
    requestId: record.requestId,
    user: record.user,
    kubeUser: record.kubeUser,
    cluster: record.cluster,
    startedAt: record.at,
    namespace: info.namespace,
    pod: info.name,
    container: request.container,
    type: info.subresource === 'attach' ? 'attach' : 'exec',
    command: request.command,
    isTty: request.tty,
    hasStdin: request.stdin,
  });
  recorder.failed = cut;
  const client: UpgradeClient = new GuardedClient({
    answer,
    watch: (headers) =>
      protocol === 'SPDY/3.1'
        ? watchSpdyCommand(request, recorder)
        : watchWebSocketCommand(websocketProtocols[chosenOf(headers, offered)]!, recorder),
    settled: () => recorder.settled(),
    refused: cut,
  });
  return {
    info: { ...info, query: commandQuery(request) },
    get isRecorded() {
      return recorder.isRecording;
    },
    start: (reply, begin) => recorded(recorder, { ...reply, client }, begin),
  };
}

async function recorded(
  recorder: SessionRecorder,
  reply: UpgradeReply,
  begin: (reply: UpgradeReply) => InFlight | Promise<InFlight>,
): Promise<InFlight> {
  await recorder.begin();
  let isSession = false;
  try {
    return await begin({
      ...reply,
      begun: (status, headers) => {
        isSession = status === 101;
        reply.begun(status, headers);
      },
      done: (error) => {
        if (isSession) recorder.end(error);
        else recorder.discard();
        reply.done(error);
      },
    });
  } catch (error) {
    recorder.discard();
    throw error;
  }
}

/** What was agreed on. Whoever agreed checked that it was offered. */
function chosenOf(headers: readonly string[], [first]: readonly string[]): string {
  const at = headers.indexOf('sec-websocket-protocol');
  return at < 0 ? first! : headers[at + 1]!;
}
