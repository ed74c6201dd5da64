import { createHash } from 'node:crypto';
import type { RecordingsApi, RecordingView } from '@postern/client';

/** One line of an asciicast: seconds since the beginning, what it is, and its content. */
export interface CastEvent {
  readonly seconds: number;
  readonly code: string;
  readonly data: string;
}

/** A recording as it was read. */
export interface ReadRecording {
  readonly view: RecordingView;
  readonly text: string;
  /** Whether every byte is as it was when the recording was stored. */
  readonly isGenuine: boolean;
}

/** Reads a recording whole, and compares it with what was said of it when it was stored. */
export async function readRecording(api: RecordingsApi, sessionId: string): Promise<ReadRecording> {
  const view = await api.get(sessionId);
  const hash = createHash('sha256');
  const parts: Buffer[] = [];
  for (let offset = 0; offset < view.recording.bytes;) {
    const part = await api.read(sessionId, offset);
    if (part.length === 0) break;
    hash.update(part);
    parts.push(part);
    offset += part.length;
  }
  const text = Buffer.concat(parts).toString('utf8');
  return { view, text, isGenuine: hash.digest('hex') === view.sha256 };
}

/** The events of a recording; lines that are none are passed over, as a changed file may have them. */
export function eventsOf(text: string): CastEvent[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => eventOf(line) ?? []);
}

function eventOf(line: string): CastEvent | undefined {
  try {
    const [seconds, code, data] = JSON.parse(line) as unknown[];
    if (typeof seconds !== 'number' || typeof code !== 'string' || typeof data !== 'string') return undefined;
    return { seconds, code, data };
  } catch {
    return undefined;
  }
}
