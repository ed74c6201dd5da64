import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRequestInfo, type RequestInfo, upstreamTarget } from '../src/request/request-info.ts';
import { type ReadRequest, type RequestOracle, startRequestOracle } from './support/request-oracle.ts';
import { plainPaths, refusedTargets } from './support/other-request-rows.ts';
import { resourceRows } from './support/request-rows.ts';

const dir = mkdtempSync(join(tmpdir(), 'postern-oracle-'));
let oracle: RequestOracle;

beforeAll(async () => {
  oracle = await startRequestOracle(dir);
}, 180_000);

afterAll(async () => {
  await oracle?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

/** Our reading in the words of a SubjectAccessReview, which leaves out what is empty. */
function asReview(info: RequestInfo): ReadRequest {
  const { verb, apiGroup: group, apiVersion: version, namespace, resource, subresource, name } = info;
  const parts = info.isResource
    ? { verb, group, version, namespace, resource, subresource, name }
    : { verb, path: decodeURIComponent(info.path) };
  return Object.fromEntries(
    Object.entries(parts).filter(([, text]) => text !== ''),
  ) as unknown as ReadRequest;
}

function parsed(method: string, target: string): RequestInfo | undefined {
  try {
    return parseRequestInfo(method, target);
  } catch {
    return undefined;
  }
}

interface Compared {
  readonly request: string;
  readonly ours: ReadRequest | undefined;
  readonly theirs: ReadRequest | undefined;
  readonly rebuilt: ReadRequest | undefined;
}

async function compare(method: string, target: string): Promise<Compared> {
  const info = parsed(method, target);
  if (!info)
    return { request: `${method} ${target}`, ours: undefined, theirs: undefined, rebuilt: undefined };
  const [theirs, rebuilt] = [
    await oracle.read(method, target),
    await oracle.read(method, upstreamTarget(info)),
  ];
  return { request: `${method} ${target}`, ours: asReview(info), theirs, rebuilt };
}

/** A bounded number at a time. */
async function compareAll(requests: readonly (readonly [string, string])[]): Promise<Compared[]> {
  const compared: Compared[] = [];
  for (let at = 0; at < requests.length; at += 16) {
    const part = requests.slice(at, at + 16).map(([method, target]) => compare(method, target));
    compared.push(...(await Promise.all(part)));
  }
  return compared;
}

const differing = (all: readonly Compared[]) =>
  all.filter(({ ours, theirs, rebuilt }) => {
    const text = JSON.stringify(sorted(ours));
    return text !== JSON.stringify(sorted(theirs)) || text !== JSON.stringify(sorted(rebuilt));
  });
const sorted = (read: ReadRequest | undefined) =>
  read && Object.entries(read).toSorted(([a], [b]) => (a < b ? -1 : 1));

describe('kube-apiserver', () => {
  test('reads every request of the table as we do', async () => {
    const rows = Object.values(resourceRows)
      .flat()
      .map(([request]) => request.split(' ') as unknown as readonly [string, string]);
    const all = [...rows, ...plainPaths.map((path) => ['GET', path] as const)];
    const compared = await compareAll(all);
    expect(compared.length + Object.values(refusedTargets).flat().length).toBeGreaterThan(200);
    expect(compared.filter(({ ours }) => ours === undefined)).toEqual([]);
    expect(differing(compared)).toEqual([]);
  }, 60_000);

  test('reads generated requests as we do, or we refuse them (P-01, P-02, P-03, P-05, P-07, P-09, P-10, P-14)', async () => {
    const requests = fc.sample(someRequest, { seed: 20, numRuns: 4000 });
    const compared = await compareAll(requests);
    expect(compared.filter(({ ours }) => ours !== undefined).length).toBeGreaterThan(600);
    expect(differing(compared)).toEqual([]);
  }, 120_000);
});

const words =
  'namespaces dev pods web-1 status finalize watch proxy exec log nodes n1 deployments scale secrets api apis v1 apps system:node';
const oddWords = ".. . %2e%2e a%2fb %41 a%20b a+b a;b a=b @ ~ ' %3A %22 %2C A * (x) $ ! & %5B %7C %25";
const segment = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...words.split(' ')) },
  { weight: 1, arbitrary: fc.constantFrom('', ...oddWords.split(' ')) },
);
const prefix = fc.constantFrom('/api/v1', '/api/v1', '/apis/apps/v1', '/apis/x.io/v2', '', '/api', '/apis/a');
const pair = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('watch', 'Watch', '%77atch', 'follow', 'limit', 'continue', 'timeoutSeconds', 'x'),
      fc.constantFrom('', '=', '=0', '=1', '=true', '=FALSE', '=no', '=-1', '=a', '=%31', '=1&watch=0'),
    )
    .map((parts) => parts.join('')),
  fc
    .tuple(
      fc.constantFrom('fieldSelector=', 'labelSelector=', 'fieldSelector=type%3Dx%2C'),
      fc.constantFrom('metadata.name', 'metadata.name ', '+metadata.name', 'metadata.namespace', ''),
      fc.constantFrom('%3D', '=', '%3D%3D', '==', '!%3D', '%21%3D', '%3D%3D%3D', '', '%2C'),
      fc.constantFrom(
        'x',
        'x%2Cmetadata.name%3Dy',
        '',
        'a%5C%2Cb',
        'a%5C',
        '..',
        'a%2Fb',
        '+x',
        '%5C%5C',
        'a%3Db',
      ),
    )
    .map((parts) => parts.join('')),
);
const labels = fc
  .array(fc.constantFrom(' ', ...'a b/c = == != ! in notin ( ) , x.y/z -a A_b / .'.split(' ')), {
    maxLength: 8,
  })
  .map((parts) => `fieldSelector=metadata.name=x&labelSelector=${encodeURIComponent(parts.join(''))}`);

const someRequest: fc.Arbitrary<readonly [string, string]> = fc
  .record({
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'),
    prefix,
    segments: fc.array(segment, { maxLength: 6 }),
    pairs: fc.oneof(
      fc.array(pair, { maxLength: 3 }),
      labels.map((each) => [each]),
    ),
  })
  .map(({ method, prefix, segments, pairs }) => {
    const path = prefix + segments.map((each) => `/${each}`).join('');
    return [method, (path || '/') + (pairs.length > 0 ? `?${pairs.join('&')}` : '')] as const;
  });
