import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RecordingUpload, recordingPartBytes } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import { silentTelemetry } from '@postern/telemetry';
import { temporaryFolder } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { RecordingUploads, type SendRecording } from '../src/uploads/recording-uploads.ts';
import { until } from './support/rig.ts';

/** Keeps recordings as the service does; fails when told to. */
class Shelf {
  readonly stored = new Map<string, { upload: RecordingUpload; content: Buffer }>();
  readonly #open = new Map<string, { upload: RecordingUpload; content: Buffer }>();
  calls = 0;
  failEvery = Infinity;

  readonly send: SendRecording = async ({ method, path, body }) => {
    this.calls += 1;
    if (this.calls % this.failEvery === 0) throw new Error('no answer');
    const [, , , id = '', , offset] = path.split('/');
    if (method === 'POST') {
      const open = this.#open.get(id) ?? { upload: body as RecordingUpload, content: Buffer.alloc(0) };
      this.#open.set(id, open);
      const isWhole = createHash('sha256').update(open.content).digest('hex') === open.upload.sha256;
      if (isWhole) this.stored.set(id, open);
      return { receivedBytes: open.content.length, isStored: isWhole };
    }
    const open = this.#open.get(id)!;
    expect(Number(offset)).toBe(open.content.length);
    open.content = Buffer.concat([open.content, Buffer.from((body as { data: string }).data, 'base64')]);
    return { receivedBytes: open.content.length, isStored: false };
  };
}

function recording(events = 3): { id: string; text: string } {
  const id = uuidv7();
  const place = {
    cluster: 'c1',
    namespace: 'dev',
    pod: 'web',
    container: 'app',
    user: 'alice',
    kubeUser: 'alice',
  };
  const how = { type: 'exec', isTty: true, hasStdin: true, startedAt: '2026-11-28T10:00:00.000Z' };
  const postern = { sessionId: id, requestId: id, ...place, ...how };
  const head = { version: 2, width: 80, height: 24, timestamp: 1_795_000_000, command: 'sh -c id', postern };
  const lines = Array.from({ length: events }, (_, at) => JSON.stringify([at, 'o', `line ${at}\r\n`]));
  return { id, text: `${[JSON.stringify(head), ...lines].join('\n')}\n` };
}

const start = (folder: string, { send }: Shelf) =>
  RecordingUploads.start({ folder, send, log: silentTelemetry().log, scanMs: 20 });

describe('recordings', () => {
  test('are brought to where they are kept, in parts, and go here when they are there', async () => {
    const folder = temporaryFolder();
    const shelf = new Shelf();
    await using _ = await start(folder, shelf);
    const { id, text } = recording(50_000);
    expect(text.length).toBeGreaterThan(2 * recordingPartBytes);
    writeFileSync(join(folder, `${id}.cast`), text);
    await until(() => readdirSync(folder).length === 0, 'the file is gone');
    expect(shelf.stored.get(id)!.content.toString()).toBe(text);
    expect(shelf.stored.get(id)!.upload).toMatchObject({
      isComplete: true,
      command: 'sh -c id',
      bytes: text.length,
    });
  });

  test('go on where they were when a call fails, and are not lost when it fails long', async () => {
    const folder = temporaryFolder();
    const shelf = new Shelf();
    shelf.failEvery = 3;
    const { id, text } = recording(40_000);
    writeFileSync(join(folder, `${id}.cast`), text);
    await using _ = await start(folder, shelf);
    await until(() => shelf.stored.has(id), 'it is stored in the end', 10_000);
    expect(shelf.stored.get(id)!.content.toString()).toBe(text);
  });

  test('of a process that is gone are closed where they were torn, and said to be incomplete (R-07)', async () => {
    const { id, text } = recording();
    for (const torn of [0, 1, 10]) {
      const folder = temporaryFolder();
      const shelf = new Shelf();
      writeFileSync(join(folder, `${id}.cast.part`), text.slice(0, text.length - torn));
      await using _ = await start(folder, shelf);
      await until(() => shelf.stored.has(id), 'it is stored');
      const { upload, content } = shelf.stored.get(id)!;
      expect(upload.isComplete).toBe(false);
      const lines = content
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown[]);
      expect(lines.length).toBe(torn === 0 ? 5 : 4);
      expect(lines.at(-1)![2]).toContain('the recording ends here');
    }
  });

  test('that cannot be read are put aside, and hold up no other', async () => {
    const folder = temporaryFolder();
    const shelf = new Shelf();
    const { id, text } = recording();
    writeFileSync(join(folder, '0.cast'), 'no asciicast\n');
    writeFileSync(
      join(folder, '1.cast'),
      `${JSON.stringify({ version: 2, postern: { sessionId: '../x' } })}\n`,
    );
    writeFileSync(join(folder, `${id}.cast`), text);
    await using _ = await start(folder, shelf);
    await until(() => shelf.stored.has(id), 'the other is stored');
    const left = () => readdirSync(folder).toSorted();
    await until(() => left().every((name) => name.endsWith('.unreadable')), 'all were looked at');
    expect(left()).toEqual(['0.cast.unreadable', '1.cast.unreadable']);
    expect(readFileSync(join(folder, '0.cast.unreadable'), 'utf8')).toBe('no asciicast\n');
  });
});
