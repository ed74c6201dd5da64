import { failure } from '@postern/core';
import { withoutEscapes } from './escape.ts';

/** More input than a command takes. */
export const InputTooLarge = failure(
  'invalid_argument',
  'cli.input_too_large',
  (what: string, maxBytes: number) => `${what} is larger than ${maxBytes / 1024 / 1024} MiB`,
);

/** Standard input, output and error of a command. */
export interface Terminal {
  /** Columns when standard output is a terminal. */
  readonly width: number | undefined;
  /** Whether a person can be asked. */
  readonly isInteractive: boolean;
  /** Text for people: escape sequences are removed. Ends with a line feed. */
  print(text: string): void;
  /** Data for programs, as it is. */
  write(data: string): void;
  /** Notes beside the output, on standard error. */
  note(text: string): void;
  readInput(maxBytes: number): Promise<string>;
  /** Asks on standard error and reads one line. */
  ask(question: string): Promise<string>;
  /** Tells of each key that is pressed, until the answer is called. Nothing is heard where nobody can press one. */
  onKey(listener: (key: string) => void): () => void;
}

/** The terminal of this process. */
export function processTerminal(): Terminal {
  return {
    width: process.stdout.isTTY ? process.stdout.columns || 80 : undefined,
    isInteractive: process.stdin.isTTY && process.stderr.isTTY,
    print: (text) => void process.stdout.write(lines(withoutEscapes(text))),
    write: (data) => void process.stdout.write(data),
    note: (text) => void process.stderr.write(lines(withoutEscapes(text))),
    readInput: (maxBytes) => readAll(process.stdin, maxBytes),
    onKey: listenToKeys,
    ask: async (question) => {
      const { createInterface } = await import('node:readline/promises');
      const prompt = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return await prompt.question(question);
      } finally {
        prompt.close();
      }
    },
  };
}

function listenToKeys(listener: (key: string) => void): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => undefined;
  const heard = (chunk: Buffer) => listener(chunk.toString('latin1'));
  stdin.setRawMode(true);
  stdin.on('data', heard);
  stdin.resume();
  return () => {
    stdin.off('data', heard);
    stdin.setRawMode(false);
    stdin.pause();
  };
}

async function readAll(stream: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > maxBytes) throw InputTooLarge('standard input', maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function lines(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
