import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { download } from './download.ts';

async function serve(body: string): Promise<{ url: string; into: string }> {
  const server = createServer((request, response) => {
    response.statusCode = request.url === '/file' ? 200 : 404;
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const dir = mkdtempSync(join(tmpdir(), 'postern-download-'));
  onTestFinished(() => {
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, into: join(dir, 'file') };
}

const digest = createHash('sha256').update('wanted').digest('hex');

test('keeps a file that is the pinned one', async () => {
  const { url, into } = await serve('wanted');
  await download({ url: `${url}/file`, algorithm: 'sha256', digest }, into);
  expect(readFileSync(into, 'utf8')).toBe('wanted');
});

test('refuses a file that is not the pinned one', async () => {
  const { url, into } = await serve('something else');
  await expect(download({ url: `${url}/file`, algorithm: 'sha256', digest }, into)).rejects.toThrow(
    /not the expected file/,
  );
});

test('names the address and the status of an answer that is no file', async () => {
  const { url, into } = await serve('');
  const missing = { url: `${url}/none`, algorithm: 'sha256', digest } as const;
  await expect(download(missing, into)).rejects.toThrow(/none: answered 404/);
});
