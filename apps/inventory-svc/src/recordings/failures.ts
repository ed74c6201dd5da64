import { failure } from '@postern/core';

export const RecordingTooLarge = failure(
  'invalid_argument',
  'inventory.recording_too_large',
  (bytes: number, max: number) => `a recording of ${bytes} bytes is larger than the ${max} that are kept`,
);

export const RecordingDiffers = failure(
  'conflict',
  'inventory.recording_differs',
  (id: string) => `there is another recording of session ${id}`,
);

export const PartOutOfPlace = failure(
  'conflict',
  'inventory.recording_part_out_of_place',
  (offset: number) => `the next part of this recording begins at ${offset}`,
);

export const UploadNotFound = failure(
  'not_found',
  'inventory.upload_not_found',
  (id: string) => `no recording of session ${id} was announced`,
);

export const InvalidRecordingsStore = failure(
  'invalid_argument',
  'inventory.invalid_recordings_store',
  (why: string) =>
    `POSTERN_RECORDINGS_STORE must be postgres, dir:/path, or s3://bucket/prefix?region=REGION&endpoint=URL: ${why}`,
);
