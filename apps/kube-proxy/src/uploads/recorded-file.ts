import { createHash } from 'node:crypto';
import { open, readFile, rename, stat, truncate } from 'node:fs/promises';
import { RecordedSessionHead, type RecordingUpload } from '@postern/contracts';
import { failure, isPlainObject, parseJson } from '@postern/core';
import { Compile } from 'typebox/compile';

/** A file that is no recording of ours. */
export const NoRecording = failure(
  'invalid_argument',
  'kube.no_recording',
  (file: string) => `${file} is no recording`,
);

/** Where a recording stands while its session goes on, when it has ended, and where the edge ended before it. */
export const suffixes = { unfinished: '.cast.part', whole: '.cast', incomplete: '.incomplete.cast' } as const;

const isHead = Compile(RecordedSessionHead);
const maxHeadBytes = 65_536;
const maxNameCharacters = 600;

/** What is announced of a file. */
export async function describeFile(path: string): Promise<RecordingUpload> {
  await using file = await open(path, 'r');
  const hash = createHash('sha256');
  let bytes = 0;
  let head = '';
  for await (const chunk of file.createReadStream({ autoClose: false }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
    if (head.length < maxHeadBytes && !head.includes('\n')) head += chunk.toString('utf8');
  }
  const { session, command } = readHead(path, head.split('\n', 1)[0]!);
  const isComplete = !path.endsWith(suffixes.incomplete);
  return { session, command, bytes, sha256: hash.digest('hex'), isComplete };
}

function readHead(path: string, line: string): Pick<RecordingUpload, 'session' | 'command'> {
  try {
    const { postern, command } = parseJson(line) as Record<string, unknown>;
    if (!isPlainObject(postern)) throw NoRecording(path);
    const fields = Object.keys(RecordedSessionHead.properties);
    const session = Object.fromEntries(fields.map((field) => [field, bounded(postern[field])]));
    if (!isHead.Check(session)) throw NoRecording(path);
    return { session, command: typeof command === 'string' ? command.slice(0, 8192) : '' };
  } catch (error) {
    throw NoRecording.from(error, path);
  }
}

function bounded(value: unknown): unknown {
  return typeof value === 'string' ? value.slice(0, maxNameCharacters) : value;
}

/**
 * Closes a recording whose process ended before its session: a line that was torn is taken off, and one that tells is put
 * behind the others. Answers its new path.
 */
export async function closeUnfinished(path: string): Promise<string> {
  const bytes = await readFile(path);
  const end = bytes.lastIndexOf(0x0a) + 1;
  await truncate(path, end);
  const seconds = ((await stat(path)).mtimeMs - startOf(bytes.subarray(0, end))) / 1000;
  await using file = await open(path, 'a');
  const marker = [
    Math.max(0, Math.round(seconds)),
    'm',
    'the recording ends here: the proxy ended before the session',
  ];
  await file.write(`${JSON.stringify(marker)}\n`);
  await file.sync();
  const closed = path.slice(0, -suffixes.unfinished.length) + suffixes.incomplete;
  await rename(path, closed);
  return closed;
}

function startOf(bytes: Buffer): number {
  const [line = ''] = bytes.subarray(0, maxHeadBytes).toString('utf8').split('\n', 1);
  try {
    const { timestamp } = JSON.parse(line) as { timestamp?: unknown };
    return typeof timestamp === 'number' ? timestamp * 1000 : Date.now();
  } catch {
    return Date.now();
  }
}
