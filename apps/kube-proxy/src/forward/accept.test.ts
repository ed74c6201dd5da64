import { describe, expect, test } from 'vitest';
import { jsonOnly } from './accept.ts';

describe('the forms of an answer that has to be filtered', () => {
  test.each([
    [undefined, 'application/json'],
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['application/json', 'application/json'],
    ['APPLICATION/JSON', 'application/json'],
    ['application/json;stream=watch', 'application/json'],
    ['application/vnd.kubernetes.protobuf, application/json', 'application/json'],
    ['application/vnd.kubernetes.protobuf, */*', 'application/json'],
    [
      'application/json;q=0.5, application/json;as=Table;v=v1;g=meta.k8s.io',
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
    ],
    [
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
    ],
    [
      'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
      'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
    ],
    [
      'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json',
      'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json',
    ],
  ])('%s is asked for as %s', (accept, wanted) => {
    expect(jsonOnly(accept)).toBe(wanted);
  });

  test.each([
    'application/yaml',
    'application/vnd.kubernetes.protobuf',
    'application/cbor',
    'application/cbor-seq',
    'garbage',
    'text/html',
    'application/json;q=0',
    'application/json;as=Other;v=v1;g=meta.k8s.io',
    'application/json;as=Table;v=v2;g=meta.k8s.io',
    'application/json;as=Table;v=v1;g=other',
    'application/json;q=x',
  ])('%s cannot be answered', (accept) => {
    expect(() => jsonOnly(accept)).toThrow(/application\/json/);
  });
});
