import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

// Behind a firewall that drops packets each try would hang for minutes, and there is another way to get the file.
const CONNECT_TIMEOUT_MS = 4_000;

/** A file on the net and what it must hash to. */
export interface PinnedFile {
  readonly url: string;
  readonly algorithm: 'sha256' | 'sha512';
  readonly digest: string;
}

/** Opens a URL, giving up soon when nobody answers. */
export async function openUrl(url: string, signal?: AbortSignal): Promise<Response> {
  const connect = new AbortController();
  const timer = setTimeout(
    () => connect.abort(new Error(`no answer in ${CONNECT_TIMEOUT_MS / 1000} s`)),
    CONNECT_TIMEOUT_MS,
  );
  try {
    const response = await fetch(url, {
      signal: signal ? AbortSignal.any([signal, connect.signal]) : connect.signal,
    });
    if (!response.ok) throw new Error(`answered ${response.status}`);
    return response;
  } catch (error) {
    signal?.throwIfAborted();
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new Error(`cannot fetch ${url}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Downloads a file and refuses it unless it is the pinned one. */
export async function download(file: PinnedFile, into: string, signal?: AbortSignal): Promise<void> {
  const response = await openUrl(file.url, signal);
  const hash = createHash(file.algorithm);
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(
    Readable.fromWeb(response.body!),
    hashing,
    createWriteStream(into),
    signal ? { signal } : {},
  );
  const actual = hash.digest('hex');
  if (actual !== file.digest) {
    throw new Error(
      `${file.url} has ${file.algorithm} ${actual}, not ${file.digest}: it is damaged or not the expected file`,
    );
  }
}
