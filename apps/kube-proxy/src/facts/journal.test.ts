import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentTelemetry } from '@postern/telemetry';
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Frame, frameRoom, readFrames, writeFrame } from './frames.ts';
import { Journal, type JournalOptions } from './journal.ts';
import { recoverSegments, segmentName } from './recover.ts';

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-journal-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function open(path: string, options: Partial<JournalOptions> = {}) {
  const { log } = silentTelemetry();
  return Journal.open({ folder: path, maxBytes: 1024 * 1024, syncMs: 1000, ...options }, { log });
}

const textOf = (id: string, more = '') => JSON.stringify({ id, type: 'T', v: 1, more });
const fact = (id: string, more = ''): Frame => ({ type: 'fact', text: textOf(id, more) });
const promise = (id: string): Frame => ({ type: 'promise', text: textOf(id, 'unknown') });

const isSameId = (a: string, b: string) => JSON.parse(a).id === JSON.parse(b).id;

function filesOf(path: string): string[] {
  return readdirSync(path).toSorted();
}

/** Every fact that is in the files of a journal that nobody has open. */
async function factsIn(path: string): Promise<string[]> {
  const texts = filesOf(path).flatMap((name) => readFrames(readFileSync(join(path, name))).frames);
  return texts.filter(({ type }) => type === 'fact').map(({ text }) => JSON.parse(text).id as string);
}

const anyCharacter = fc
  .integer({ min: 0, max: 0xffff })
  .map((code) => String.fromCharCode(code).toWellFormed());

function bytesOf(frames: readonly Frame[]): Buffer {
  const buffer = Buffer.alloc(frames.reduce((sum, { text }) => sum + frameRoom(text), 0));
  return buffer.subarray(
    0,
    frames.reduce((at, frame) => writeFrame(buffer, at, frame), 0),
  );
}

describe('frames', () => {
  test('come back as they were written, whatever their text', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.string({ unit: anyCharacter, maxLength: 30 })), { maxLength: 8 }),
        (parts) => {
          const frames = parts.map(([isFact, text]): Frame => ({ type: isFact ? 'fact' : 'promise', text }));
          const bytes = bytesOf(frames);
          expect(readFrames(bytes)).toEqual({ frames, end: bytes.length });
        },
      ),
      { numRuns: 50 },
    );
  });

  test('that were torn at any byte end the file with the whole ones before', () => {
    const frames = [fact('a', 'ä€𝄞'), promise('b'), fact('c')];
    const bytes = bytesOf(frames);
    const ends = frames.map((_, at) => bytesOf(frames.slice(0, at + 1)).length);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const whole = ends.filter((end) => end <= cut).length;
      expect(readFrames(bytes.subarray(0, cut))).toEqual({
        frames: frames.slice(0, whole),
        end: whole === 0 ? 0 : ends[whole - 1],
      });
    }
  });

  test('in which any byte was changed are not believed (R-07)', () => {
    const bytes = bytesOf([fact('a'), fact('b')]);
    const first = bytesOf([fact('a')]).length;
    for (let at = 0; at < bytes.length; at += 1) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 0x10;
      expect(readFrames(changed).end).toBe(at < first ? 0 : first);
    }
  });
});

describe('a journal', () => {
  test('is for its owner alone', async () => {
    const path = join(folder(), 'facts');
    await using journal = await open(path);
    journal.append(fact('a'));
    journal.flush();
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(statSync(join(path, filesOf(path)[0]!)).mode & 0o777).toBe(0o600);
  });

  test('has what was appended in a file when it says so, and not before', async () => {
    const path = folder();
    await using journal = await open(path);
    journal.append(fact('a'));
    journal.append(fact('b'));
    expect(await factsIn(path)).toEqual([]);
    await journal.written();
    expect(await factsIn(path)).toEqual(['a', 'b']);
  });

  test('lets a file go when all its facts were acknowledged, and leaves none behind at the end', async () => {
    const path = folder();
    const journal = await open(path, { segmentBytes: 200 });
    const segments = Array.from({ length: 20 }, (_, at) => {
      const segment = journal.append(fact(`f${at}`, 'x'.repeat(50)))!;
      journal.flush();
      return segment;
    });
    expect(filesOf(path).length).toBeGreaterThan(5);
    const before = journal.usedBytes;
    for (const segment of segments.slice(0, 10)) journal.release(segment);
    expect(journal.usedBytes).toBeLessThan(before);
    expect(await factsIn(path)).toContain('f19');
    expect(await factsIn(path)).not.toContain('f0');
    for (const segment of segments.slice(10)) journal.release(segment);
    await journal[Symbol.asyncDispose]();
    expect(filesOf(path)).toEqual([]);
  });

  test('finds again, after a crash at any byte, what was whole (R-02)', async () => {
    const frames = [fact('a'), promise('b'), fact('c'), fact('b', 'known'), promise('d')];
    const whole = bytesOf(frames);
    const path = folder();
    const file = join(path, segmentName(7));
    const { log } = silentTelemetry();
    for (let cut = 0; cut <= whole.length; cut += 1) {
      writeFileSync(file, whole.subarray(0, cut));
      const { segments, broken } = await recoverSegments(path, log);
      const { frames: kept, end } = readFrames(whole.subarray(0, cut));
      const facts = kept.filter(({ type }) => type === 'fact').map(({ text }) => text);
      const promised = kept.filter(
        ({ type, text }) => type === 'promise' && !facts.some((told) => isSameId(told, text)),
      );
      expect(broken).toEqual(promised.map(({ text }) => text));
      expect(segments.map(({ bytes, facts: count }) => [bytes, count])).toEqual([[end, facts.length]]);
      expect(statSync(file).size).toBe(end);
    }
  });

  test.each([0, 1, 2, 3, 4, 5])(
    'goes on after a crash behind %i frames, and tells everything once',
    async (count) => {
      const frames = [fact('a'), promise('b'), fact('c'), fact('b', 'known'), promise('d')];
      const path = folder();
      writeFileSync(
        join(path, segmentName(7)),
        Buffer.concat([bytesOf(frames.slice(0, count)), Buffer.from('torn')]),
      );
      const journal = await open(path);
      journal.append(fact('new'));
      await journal[Symbol.asyncDispose]();
      const told = new Map(frames.slice(0, count).map(({ text }) => [JSON.parse(text).id as string, text]));
      expect((await factsIn(path)).toSorted()).toEqual([...told.keys(), 'new'].toSorted());
    },
  );

  test('keeps a promise until a fact is told under its id, and tells it after a crash', async () => {
    const path = folder();
    const journal = await open(path);
    journal.append(promise('kept'));
    journal.append(promise('broken'));
    journal.append(fact('kept', 'known'));
    await journal.written();
    expect(journal.promises).toBe(1);
    // A crash: nothing is closed.
    await using after = await open(path);
    const segments = filesOf(path).map((name) => readFrames(readFileSync(join(path, name))).frames);
    expect(
      segments
        .flat()
        .filter(({ type }) => type === 'fact')
        .map(({ text }) => text),
    ).toEqual([textOf('kept', 'known'), textOf('broken', 'unknown')]);
    expect(after.promises).toBe(0);
    await journal[Symbol.asyncDispose]();
  });

  test('of which the end is not whole says so, cuts it off and starts', async () => {
    const path = folder();
    writeFileSync(join(path, segmentName(1)), bytesOf([fact('a')]));
    appendFileSync(join(path, segmentName(1)), 'torn');
    const telemetry = silentTelemetry();
    await using journal = await Journal.open(
      { folder: path, maxBytes: 1024 * 1024, syncMs: 1000 },
      { log: telemetry.log },
    );
    expect(telemetry.lines.some((line) => line.includes('is not whole'))).toBe(true);
    expect(await journal.readFacts(journal.oldestUnqueued!)).toEqual([textOf('a')]);
  });

  test('is full at its bound, and not any more when facts were acknowledged (X-10)', async () => {
    const path = folder();
    await using journal = await open(path, { maxBytes: 2000, segmentBytes: 500 });
    const segments = [];
    while (!journal.isFull) {
      segments.push(journal.append(fact(`f${segments.length}`, 'x'.repeat(100)))!);
      journal.flush();
    }
    expect(journal.usedBytes).toBeLessThan(2500);
    for (const segment of segments) journal.release(segment);
    expect(journal.isFull).toBe(false);
  });

  test('syncs before it tells, where that is wanted', async () => {
    const path = folder();
    await using journal = await open(path, { syncMs: 0 });
    for (let at = 0; at < 50; at += 1) {
      journal.append(promise(`p${at}`));
      await journal.written();
      journal.append(fact(`p${at}`));
    }
    await journal.written();
    expect((await factsIn(path)).length).toBe(50);
  });

  test('carries promises of what stays open for long on, and lets their files go', async () => {
    const path = folder();
    await using journal = await open(path, { segmentBytes: 20_000, carryAboveBytes: 50_000 });
    const open10 = Array.from({ length: 10 }, (_, at) => `stream-${at}`);
    for (const id of open10) journal.append(promise(id));
    const [first] = filesOf(path);
    for (let at = 0; filesOf(path).includes(first!) && at < 2000; at += 1) {
      const segment = journal.append(fact(`f${at}`, 'x'.repeat(1000)))!;
      await journal.written();
      if (segment.path.endsWith(first!)) journal.release(segment);
    }
    expect(filesOf(path)).not.toContain(first);
    expect(journal.promises).toBe(10);
    for (const id of open10) journal.append(fact(id));
    await journal.written();
    expect(journal.promises).toBe(0);
  });
});
