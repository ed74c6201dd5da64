const escape = '\u001b';
// Cursor movement, erasing, scrolling, colours: what a terminal shows. Not what makes it answer, resize, or talk to others.
const shownFinals = 'ABCDEFGHJKLMPSTXZ@`adefmrsu';
const shownModes = /^\?(?:1|7|12|25|47|1047|1048|1049)(?:;\?(?:1|7|12|25|47|1047|1048|1049))*$/;
const controls = /[\u0000-\u0006\u000e-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;
const maxPending = 4096;

/**
 * Takes out of what a recorded program printed whatever does more than show it: titles, clipboards (OSC 52), links, device
 * control strings, questions that the terminal would answer as if somebody typed. Sequences may be split between events.
 */
export class SafeOutput {
  #pending = '';

  /** What may be shown of the next output. */
  push(text: string): string {
    let rest = this.#pending + text;
    let shown = '';
    this.#pending = '';
    while (rest !== '') {
      const start = rest.indexOf(escape);
      if (start < 0) return shown + plain(rest);
      shown += plain(rest.slice(0, start));
      const sequence = sequenceAt(rest.slice(start));
      if (sequence === undefined) {
        // Without an end in sight it is let go: what follows is shown as text.
        if (rest.length - start > maxPending) return shown + plain(rest.slice(start + 1));
        this.#pending = rest.slice(start);
        return shown;
      }
      if (isShown(sequence)) shown += sequence;
      rest = rest.slice(start + sequence.length);
    }
    return shown;
  }
}

const csi = /^\u001b\[[0-?]*[ -/]*[@-~]/;
const unfinishedCsi = /^\u001b(?:\[[0-?]*[ -/]*)?$/;
const strings = /^\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\\\)/;
const unfinishedString = /^\u001b[\]PX^_][^\u0007\u001b]*\u001b?$/;
const other = /^\u001b[ -/]*[0-~]/;
const unfinishedOther = /^\u001b[ -/]+$/;

/** The sequence at the beginning, or undefined where its end has not come. One that is broken is its first character. */
function sequenceAt(text: string): string | undefined {
  if (unfinishedCsi.test(text) || unfinishedString.test(text) || unfinishedOther.test(text)) return undefined;
  const whole =
    csi.exec(text) ?? strings.exec(text) ?? (/^\u001b[[\]PX^_]/.test(text) ? null : other.exec(text));
  return whole?.[0] ?? escape;
}

function isShown(sequence: string): boolean {
  if (sequence.startsWith(`${escape}[`)) {
    const final = sequence.at(-1)!;
    const parameters = sequence.slice(2, -1);
    if (final === 'h' || final === 'l') return shownModes.test(parameters) || /^[0-9;]*$/.test(parameters);
    return shownFinals.includes(final) && /^[0-9;:]*$/.test(parameters);
  }
  // Save and restore the cursor, index, next line, reverse index, character sets.
  return /^\u001b(?:[78DEM=>]|[()][0AB])$/.test(sequence);
}

function plain(text: string): string {
  return text.replaceAll(controls, '');
}
