import type { Terminal } from '@postern/cli';
import type { CastEvent } from './read-recording.ts';
import { SafeOutput } from './safe-output.ts';

export interface PlayOptions {
  readonly terminal: Pick<Terminal, 'write' | 'note' | 'onKey'>;
  readonly speed: number;
  /** Longest pause between two events, in milliseconds of the recording. */
  readonly maxIdleMs: number;
  readonly signal: AbortSignal;
}

const reset = '\u001b[0m\u001b[?25h\u001b[?1049l\r\n';
const fastest = 64;
const tickMs = 20;

interface Playing {
  speed: number;
  isPaused: boolean;
  hasEnded: boolean;
}

/** Shows a recording in its own time. Space pauses, `+` and `-` change the speed, `q` and Ctrl-C end it. */
export async function play(events: readonly CastEvent[], options: PlayOptions): Promise<void> {
  const { terminal, maxIdleMs, signal } = options;
  const playing: Playing = { speed: options.speed, isPaused: false, hasEnded: false };
  const end = () => (playing.hasEnded = true);
  signal.addEventListener('abort', end);
  const stopListening = terminal.onKey((key) => press(playing, key));
  const output = new SafeOutput();
  let lastSeconds = 0;
  try {
    for (const { seconds, code, data } of events) {
      await pass(playing, Math.min(Math.max(0, (seconds - lastSeconds) * 1000), maxIdleMs));
      lastSeconds = seconds;
      if (playing.hasEnded) break;
      if (code === 'o') terminal.write(output.push(data));
    }
  } finally {
    signal.removeEventListener('abort', end);
    stopListening();
    terminal.write(reset);
  }
}

/** Lets so much of the recording's time pass. */
async function pass(playing: Playing, ms: number): Promise<void> {
  for (let leftMs = ms; (leftMs > 0 || playing.isPaused) && !playing.hasEnded;) {
    const waitMs = playing.isPaused ? tickMs : Math.min(tickMs, leftMs / playing.speed);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    if (!playing.isPaused) leftMs -= waitMs * playing.speed;
  }
}

function press(state: Playing, key: string): void {
  if (key === ' ') state.isPaused = !state.isPaused;
  else if (key === '+') state.speed = Math.min(state.speed * 2, fastest);
  else if (key === '-') state.speed = Math.max(state.speed / 2, 1 / fastest);
  else if (key === 'q' || key === '\u0003') state.hasEnded = true;
}
