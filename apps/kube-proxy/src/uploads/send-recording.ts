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

/** Calls over mutual TLS as this edge, each replica in turn. Connections are kept for a while, and never beyond the identity. */
export function sendRecording(held: HeldIdentity, urls: readonly string[]): SendRecording {
  let turn = 0;
  let kept = { identity: held.current(), agent: connectionsOf(held) };
  const connections = (): Agent => {
    if (kept.identity !== held.current()) {
      void kept.agent.close();
      kept = { identity: held.current(), agent: connectionsOf(held) };
    }
    return kept.agent;
  };
  return async ({ method, path, body }) => {
    const url = urls[(turn += 1) % urls.length]!;
    const answer = await request(url + path, {
      dispatcher: connections(),
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
  };
}

function connectionsOf(held: HeldIdentity): Agent {
  return new Agent({
    connect: { ...clientTls(held, { expect: { type: 'svc' } }), timeout: 3000 } as object,
    keepAliveTimeout: 4000,
  });
}
