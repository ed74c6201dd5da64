import { createHash } from 'node:crypto';
import type { RecordingUpload } from '@postern/contracts';
import { uuidv7 } from '@postern/core';
import type { AwsRig } from '@postern/testkit';
import { vi } from 'vitest';

/** What an edge announces of a recording with this content. */
export function uploadOf(
  content: Buffer,
  changes: Partial<RecordingUpload['session']> = {},
): RecordingUpload {
  const sessionId = uuidv7();
  const place = { cluster: 'prod', namespace: 'dev', pod: 'web', container: 'app' };
  const who = { sessionId, requestId: sessionId, user: 'alice', kubeUser: 'alice' };
  const how = { type: 'exec' as const, isTty: true, hasStdin: true, startedAt: '2026-11-28T10:00:00.000Z' };
  return {
    session: { ...who, ...place, ...how, ...changes },
    command: 'sh',
    bytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    isComplete: true,
  };
}

/** Gives this process a key of a user of the rig, as variables. */
export function stubAwsKey({ accounts }: AwsRig): void {
  const arn = 'arn:aws:iam::111122223333:user/recorder';
  const key = accounts.issueKey({ account: '111122223333', arn, userId: 'AIDAEXAMPLE' });
  vi.stubEnv('AWS_ACCESS_KEY_ID', key.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', key.secretAccessKey);
}
