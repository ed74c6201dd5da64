import { describe, expect, test } from 'vitest';
import { filterableAccept } from './accept.ts';

const protobuf = 'application/vnd.kubernetes.protobuf';
const table = 'application/json;as=Table;v=v1;g=meta.k8s.io';
const partial = 'as=PartialObjectMetadataList;v=v1;g=meta.k8s.io';

describe('the forms of an answer that has to be filtered', () => {
  test.each([
    [undefined, 'application/json'],
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['application/*', 'application/json'],
    ['application/json', 'application/json'],
    ['APPLICATION/JSON', 'application/json'],
    ['application/json;stream=watch', 'application/json'],
    [protobuf, protobuf],
    [`${protobuf};stream=watch`, protobuf],
    [`${protobuf}, application/json`, `${protobuf},application/json`],
    [`${protobuf};q=0.5, */*`, `application/json,${protobuf}`],
    ['application/cbor, application/json', 'application/json'],
    [`application/cbor;q=0.9, ${protobuf};q=0.8`, protobuf],
    ['application/yaml, application/json;q=0.1', 'application/json'],
    [`application/json;q=0.5, ${table}`, `${table},application/json`],
    [
      `${table},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json`,
      `${table},application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json`,
    ],
    ['application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1', `application/json;${partial}`],
    [
      `${protobuf};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;${partial},application/json`,
      `${protobuf};${partial},application/json;${partial},application/json`,
    ],
    [`${protobuf};as=Table;v=v1;g=meta.k8s.io, ${table}`, table],
  ])('%s is asked for as %s (L-01)', (accept, wanted) => {
    expect(filterableAccept(accept, false)).toBe(wanted);
  });

  test('are first those that can stream, where a list may be long (L-12)', () => {
    expect(filterableAccept(`${protobuf}, application/json;q=0.5`, true)).toBe(
      `application/json,${protobuf}`,
    );
    expect(
      filterableAccept(`${protobuf};${partial},application/json;${partial},application/json`, true),
    ).toBe(`application/json;${partial},application/json,${protobuf};${partial}`);
    expect(filterableAccept(protobuf, true)).toBe(protobuf);
  });

  test.each([
    'application/yaml',
    'application/cbor',
    'application/cbor-seq',
    'garbage',
    'text/html',
    'application/json;q=0',
    'application/json;q=2',
    'application/json;as=Other;v=v1;g=meta.k8s.io',
    'application/json;as=Table;v=v2;g=meta.k8s.io',
    'application/json;as=Table;v=v1;g=other',
    `${protobuf};as=Table;v=v1;g=meta.k8s.io`,
    'application/json;q=x',
    'constructor',
  ])('%s cannot be answered (L-01)', (accept) => {
    expect(() => filterableAccept(accept, false)).toThrow(/application\/json/);
  });
});
