import { RecordingProgress } from '@postern/contracts';
import { failure } from '@postern/core';
import { clientTls, type HeldIdentity } from '@postern/identity';
import { Agent, request } from 'undici';
import { Compile } from 'typebox/compile';
import type { SendRecording } from './recording-uploads.ts';

const RecordingNotTaken = failure(
  'unavailable',
  'kube.recording_not_taken',
  (status: number, why: string) => `the service answered ${status}: ${why}`,
);

const isProgress = Compile(RecordingProgress);
const maxWhyCharacters = 300;

/** Calls over mutual TLS as this edge, each replica in turn. A connection of its own for each: they are rare. */
export function sendRecording(held: HeldIdentity, urls: readonly string[]): SendRecording {
  let turn = 0;
  return async ({ method, path, body }) => {
    const url = urls[(turn += 1) % urls.length]!;
    const agent = new Agent({
      connect: { ...clientTls(held, { expect: { type: 'svc' } }), timeout: 3000 } as object,
    });
    try {
      const answer = await request(url + path, {
        dispatcher: agent,
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        headersTimeout: 30_000,
      });
      const text = await answer.body.text();
      const progress: unknown = answer.statusCode === 200 ? JSON.parse(text) : undefined;
      if (!isProgress.Check(progress))
        throw RecordingNotTaken(answer.statusCode, text.slice(0, maxWhyCharacters));
      return progress;
    } finally {
      await agent.close();
    }
  };
}
