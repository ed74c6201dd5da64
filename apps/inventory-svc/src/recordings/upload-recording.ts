import { RecordingPart, RecordingProgress, RecordingRef, RecordingUpload } from '@postern/contracts';
import { failure } from '@postern/core';
import { Forbidden, route } from '@postern/http';
import type { Principal } from '@postern/identity';
import { Type } from 'typebox';
import type { ServiceDeps } from '../service-deps.ts';
import { announce, receive } from './store-recording.ts';

const AnotherSession = failure(
  'invalid_argument',
  'inventory.another_session',
  () => 'the recording is of another session than its path says',
);

export const announceRecording = route<ServiceDeps>()({
  method: 'POST',
  url: '/v1/recordings/:id',
  allow: 'service',
  params: RecordingRef,
  body: RecordingUpload,
  reply: RecordingProgress,
  async handle({ recordings }, { params: { id }, body, principal }) {
    requireEdge(principal);
    if (body.session.sessionId !== id || Number.isNaN(Date.parse(body.session.startedAt)))
      throw AnotherSession();
    return announce(recordings, body, principal);
  },
});

export const receiveRecordingPart = route<ServiceDeps>()({
  method: 'PUT',
  url: '/v1/recordings/:id/parts/:offset',
  allow: 'service',
  params: Type.Object({ ...RecordingRef.properties, offset: Type.String({ pattern: '^[0-9]{1,12}$' }) }),
  body: RecordingPart,
  reply: RecordingProgress,
  async handle({ recordings }, { params: { id, offset }, body, principal }) {
    requireEdge(principal);
    const data = Buffer.from(body.data, 'base64');
    return receive(recordings, { id, offset: Number(offset), data }, principal);
  },
});

function requireEdge({ roles }: Principal): void {
  if (!roles.includes('Proxy')) throw Forbidden();
}
