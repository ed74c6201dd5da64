import { failure } from '@postern/core';

/** What is told of a session at the head of its recording. */
export interface RecordedSession {
  readonly sessionId: string;
  readonly requestId: string;
  readonly user: string;
  readonly kubeUser: string;
  readonly cluster: string;
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly type: 'exec' | 'attach';
  readonly command: readonly string[];
  readonly isTty: boolean;
  readonly hasStdin: boolean;
  readonly startedAt: Date;
}

const maxCommandChars = 8192;

/** The first line of an asciicast v2 file (docs.asciinema.org/manual/asciicast/v2). What is ours is under `postern`. */
export function headerLine({ startedAt, ...session }: RecordedSession): string {
  return line({
    version: 2,
    // The size of a terminal that says none; those that do say it first thing.
    width: 80,
    height: 24,
    timestamp: Math.floor(startedAt.getTime() / 1000),
    command: session.command.join(' ').slice(0, maxCommandChars),
    postern: { ...session, startedAt: startedAt.toISOString() },
  });
}

/** `o` is output, `r` a change of size, `m` a marker. Seconds since the beginning. */
export function eventLine(seconds: number, code: 'o' | 'r' | 'm', data: string): string {
  return line([Math.round(seconds * 1e6) / 1e6, code, data]);
}

/** JSON escapes control characters, so that nothing a terminal prints can end a line or begin another. */
function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

export const RecordingFailed = failure(
  'unavailable',
  'kube.recording_failed',
  (why: string) =>
    `the session was ended because it cannot be recorded, and your roles require that it is (record_session: strict): ${why}`,
);

const maxResizeBytes = 4096;

/** Reads the changes of size that a client sends as JSON objects, however they are split. */
export class TerminalSizes {
  #text = '';

  /** Sizes as asciicast writes them, `80x24`. */
  read(chunk: Buffer): string[] {
    this.#text = (this.#text + chunk.toString('latin1')).slice(-maxResizeBytes);
    const sizes: string[] = [];
    for (const [whole] of this.#text.matchAll(/\{[^{}]*\}/g)) {
      const size = sizeOf(whole);
      if (size) sizes.push(size);
    }
    this.#text = this.#text.slice(this.#text.lastIndexOf('}') + 1);
    return sizes;
  }
}

function sizeOf(text: string): string | undefined {
  try {
    const { Width, Height } = JSON.parse(text) as Record<string, unknown>;
    return isSize(Width) && isSize(Height) ? `${Width}x${Height}` : undefined;
  } catch {
    return undefined;
  }
}

function isSize(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536;
}
