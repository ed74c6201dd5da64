import type { RecordingMode } from '@postern/contracts';
import type { AppError } from '@postern/core';
import type { CommandObserver } from '../guard/watch-command.ts';
import type { Channel } from '../remote-command/command-end.ts';
import type { RecordedSession } from './asciicast.ts';
import type { Recording } from './recording.ts';
import type { Recordings } from './recordings.ts';

const maxStatusBytes = 65_536;

/** Records one session as strictly as it has to be. */
export class SessionRecorder implements CommandObserver {
  readonly #recordings: Recordings;
  readonly #mode: RecordingMode;
  readonly #session: RecordedSession;
  readonly #status: Buffer[] = [];
  #statusBytes = 0;
  #recording: Recording | undefined;
  /** Told when the session must end since the rest of it cannot be recorded. */
  failed: (error: AppError) => void = () => undefined;

  constructor(recordings: Recordings, mode: RecordingMode, session: RecordedSession) {
    this.#recordings = recordings;
    this.#mode = mode;
    this.#session = session;
  }

  get isRecording(): boolean {
    return this.#recording !== undefined;
  }

  /** Resolves when bytes may flow. Throws where the session must be recorded and cannot be. */
  async begin(): Promise<void> {
    if (this.#mode === 'off') return;
    try {
      this.#recording = await this.#recordings.begin(this.#session, (error) => {
        if (this.#mode === 'strict') this.failed(error);
      });
    } catch (error) {
      if (this.#mode === 'strict') throw error;
    }
  }

  fromClient(channel: Channel, chunk: Buffer): void {
    if (channel === 'resize') this.#recording?.resize(chunk);
  }

  fromServer(channel: Channel, chunk: Buffer): void {
    if (channel === 'stdout' || channel === 'stderr') this.#recording?.output(channel, chunk);
    else if (channel === 'error' && this.#statusBytes < maxStatusBytes) {
      this.#statusBytes += chunk.length;
      this.#status.push(chunk);
    }
  }

  settled(): Promise<void> | undefined {
    return this.#recording?.settled();
  }

  /** What began was no session: the server refused it. */
  discard(): void {
    if (this.#recording) void this.#recordings.discard(this.#recording);
  }

  end(error: AppError | undefined): void {
    if (this.#recording)
      void this.#recordings.end(this.#recording, endingOf(Buffer.concat(this.#status), error));
  }
}

/** How a session ended, for whoever plays it. */
function endingOf(status: Buffer, error: AppError | undefined): string {
  const code = exitCodeOf(status);
  if (code !== undefined) return `exit code ${code}`;
  return error ? `ended: ${error.code}` : 'ended';
}

interface CommandStatus {
  readonly status?: unknown;
  readonly details?: {
    readonly causes?: readonly { readonly reason?: unknown; readonly message?: unknown }[];
  };
}

/** From the Status that remotecommand ends with: a cause of reason ExitCode, or success. */
function exitCodeOf(status: Buffer): string | undefined {
  try {
    const { status: outcome, details } = JSON.parse(status.toString('utf8')) as CommandStatus;
    if (outcome === 'Success') return '0';
    const cause = details?.causes?.find(({ reason }) => reason === 'ExitCode');
    return typeof cause?.message === 'string' && /^\d{1,3}$/.test(cause.message) ? cause.message : undefined;
  } catch {
    return undefined;
  }
}
