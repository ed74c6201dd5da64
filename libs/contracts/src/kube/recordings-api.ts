import { Type, type Static } from 'typebox';

const id = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' });
const name = Type.String({ maxLength: 600 });

/** Characters of base64 in one part, and the bytes that they stand for. */
export const recordingPartBytes = 384 * 1024;

/** What a recording tells of its session, under `postern` in the first line of its asciicast. */
export const RecordedSessionHead = Type.Object({
  sessionId: id,
  requestId: Type.String({ maxLength: 64 }),
  user: name,
  kubeUser: name,
  cluster: name,
  namespace: name,
  pod: name,
  container: name,
  type: Type.Union([Type.Literal('exec'), Type.Literal('attach')]),
  isTty: Type.Boolean(),
  hasStdin: Type.Boolean(),
  /** RFC 3339. */
  startedAt: Type.String({ maxLength: 40 }),
});
export type RecordedSessionHead = Static<typeof RecordedSessionHead>;

export const RecordingRef = Type.Object({ id });

/** `POST /v1/recordings/:id`, of edges alone: what is about to be stored, or was. */
export const RecordingUpload = Type.Object({
  session: RecordedSessionHead,
  command: Type.String({ maxLength: 8192 }),
  bytes: Type.Integer({ minimum: 1 }),
  /** SHA-256 of the whole file, in hexadecimal digits. */
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  /** False where the edge ended before the session. */
  isComplete: Type.Boolean(),
});
export type RecordingUpload = Static<typeof RecordingUpload>;

/** How far it is. Stored is what was checked against its digest: the edge may let its file go then. */
export const RecordingProgress = Type.Object({ receivedBytes: Type.Integer(), isStored: Type.Boolean() });
export type RecordingProgress = Static<typeof RecordingProgress>;

/** `PUT /v1/recordings/:id/parts/:offset`, of edges alone → `RecordingProgress`. */
export const RecordingPart = Type.Object({
  /** Base64. */
  data: Type.String({ minLength: 4, maxLength: (recordingPartBytes / 3) * 4 }),
});
export type RecordingPart = Static<typeof RecordingPart>;

/** A recording as a list shows it. */
export const RecordingRow = Type.Object({
  ...RecordedSessionHead.properties,
  command: Type.String(),
  bytes: Type.Integer(),
  isComplete: Type.Boolean(),
  /** RFC 3339. */
  storedAt: Type.String(),
});
export type RecordingRow = Static<typeof RecordingRow>;

/** `GET /v1/recordings` → the newest first, of those the caller may see. */
export const RecordingsReply = Type.Object({ recordings: Type.Array(RecordingRow), next: Type.String() });
export type RecordingsReply = Static<typeof RecordingsReply>;

export const RecordingsQuery = Type.Object({
  user: Type.Optional(name),
  cluster: Type.Optional(name),
  /** RFC 3339. */
  since: Type.Optional(Type.String({ maxLength: 40 })),
  /** At most 1000; 100 where it is absent. */
  limit: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' })),
  /** `next` of the page before. */
  before: Type.Optional(Type.String({ maxLength: 100 })),
});
export type RecordingsQuery = Static<typeof RecordingsQuery>;

/** `GET /v1/recordings/:id` → what it is, and what its content must come to. */
export const RecordingView = Type.Object({ recording: RecordingRow, sha256: Type.String() });
export type RecordingView = Static<typeof RecordingView>;

/** `GET /v1/recordings/:id/parts/:offset` → the bytes from there on, base64; empty at the end. */
export const RecordingContent = Type.Object({ data: Type.String() });
export type RecordingContent = Static<typeof RecordingContent>;
