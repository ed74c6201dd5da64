import { command, formatOf, required, textOr, withoutEscapes } from '@postern/cli';
import { failure, parseDuration } from '@postern/core';
import { play } from '../play/player.ts';
import { eventsOf, readRecording } from '../play/read-recording.ts';

const RecordingChanged = failure(
  'failed_precondition',
  'tsh.recording_changed',
  (id: string) =>
    `the recording of session ${id} IS NOT as it was stored: it was cut short or changed since, and proves nothing`,
);

const InvalidSpeed = failure(
  'invalid_argument',
  'tsh.invalid_speed',
  (speed: string) => `${JSON.stringify(speed.slice(0, 20))} is no speed: give a number such as 0.5, 1 or 8`,
);

export const playCommand = command({
  name: 'play',
  summary: 'Play the recording of a session',
  args: { session: required('The id of the session, as recordings ls shows it') },
  flags: {
    format: textOr('pty', '-f, --format <format>', 'pty (in its own time), text (what was printed) or json'),
    speed: textOr('1', '--speed <factor>', 'How many times faster than it was'),
    maxIdle: textOr('5s', '--max-idle <duration>', 'The longest pause that is kept'),
  },
  async run(context, { args: { session }, flags }) {
    const format = formatOf(flags.format, ['pty', 'text', 'json']);
    const speed = Number(flags.speed);
    if (!(speed > 0 && speed <= 1000)) throw InvalidSpeed(flags.speed);
    const maxIdleMs = parseDuration(flags.maxIdle);
    const { terminal } = context;
    const { text, isGenuine, view } = await readRecording((await context.api()).recordings, session);
    const changed = RecordingChanged(session);
    if (!isGenuine) terminal.note(`WARNING: ${changed.message}`);
    if (!view.recording.isComplete)
      terminal.note('The recording is incomplete: the proxy ended before the session did.');
    if (format === 'json') terminal.write(text);
    else if (format === 'text') {
      const printed = eventsOf(text).filter(({ code }) => code === 'o');
      terminal.print(withoutEscapes(printed.map(({ data }) => data).join('')));
    } else await play(eventsOf(text), { terminal, speed, maxIdleMs, signal: context.stopSignal() });
    if (!isGenuine) throw changed;
  },
});
