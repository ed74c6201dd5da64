import { describe, expect, test } from 'vitest';
import { readStorePlace } from './store-place.ts';

describe('a place of recordings', () => {
  test('is Postgres, a directory, or a bucket', () => {
    expect(readStorePlace('postgres')).toEqual({ kind: 'postgres' });
    expect(readStorePlace('dir:/var/lib/recordings')).toEqual({
      kind: 'directory',
      path: '/var/lib/recordings',
    });
    expect(readStorePlace('s3://kept?region=eu-central-1')).toEqual({
      kind: 's3',
      place: { bucket: 'kept', region: 'eu-central-1', endpoint: undefined },
      prefix: '',
    });
    for (const path of ['a/b', 'a/b/'])
      expect(
        readStorePlace(`s3://kept/${path}?region=us-east-1&endpoint=https://minio.example.com:9000`),
      ).toEqual({
        kind: 's3',
        place: { bucket: 'kept', region: 'us-east-1', endpoint: 'https://minio.example.com:9000' },
        prefix: 'a/b/',
      });
  });

  test.each([
    '',
    'dir:relative',
    's3://kept',
    's3://K_EPT?region=eu-central-1',
    's3://a.b.c?region=eu-central-1',
    's3://kept:443/a?region=eu-central-1',
    's3://key:secret@kept/a?region=eu-central-1',
    's3://kept/a%2f..?region=eu-central-1',
    's3://kept/a//b?region=eu-central-1',
    's3://kept/a?region=eu-central-1&acl=public',
    's3://kept/a?region=eu-central-1&endpoint=http://minio.example.com',
    's3://kept/a?region=eu-central-1&endpoint=https://minio.example.com/path',
    's3://kept/a?region=eu-central-1&endpoint=file:///tmp',
  ])('is not %j', (text) => {
    expect(() => readStorePlace(text)).toThrow('POSTERN_RECORDINGS_STORE must be');
  });
});
