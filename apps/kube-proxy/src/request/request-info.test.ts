import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { plainPaths, refusedTargets } from '../../test/support/other-request-rows.ts';
import { resourceRows } from '../../test/support/request-rows.ts';
import { isDiscovery, isLongLived, parseRequestInfo, upstreamTarget } from './request-info.ts';

describe('attributes of a request', () => {
  test.each(Object.values(resourceRows).flat())('%s is %s', (request, attributes) => {
    const [method = '', target = ''] = request.split(' ');
    const info = parseRequestInfo(method, target);
    const group = info.apiGroup === '' ? info.apiVersion : `${info.apiGroup}/${info.apiVersion}`;
    const shown = [info.verb, group, info.namespace, info.resource, info.subresource, info.name];
    expect(shown.map((part) => part || '-').join(' ')).toBe(attributes);
    expect(info.isResource).toBe(true);
  });

  test.each(plainPaths)('%s names no resource (P-08)', (path) => {
    const info = parseRequestInfo('GET', path);
    expect(info).toMatchObject({
      isResource: false,
      verb: 'get',
      path,
      resource: '',
      name: '',
      namespace: '',
    });
  });

  test.each([
    ['/api', true],
    ['/apis', true],
    ['/api/v1', true],
    ['/apis/apps', true],
    ['/apis/apps/v1', true],
    ['/version', true],
    ['/livez/ping', true],
    ['/openapi/v3/apis/apps/v1', true],
    ['/', false],
    ['/metrics', false],
    ['/logs', false],
    ['/debug/pprof/heap', false],
    ['/api/v1/pods', false],
    ['/.well-known/openid-configuration', false],
    ['/healthz-x', false],
  ])('that %s is discovery is %s', (path, wanted) => {
    expect(isDiscovery(parseRequestInfo('GET', path))).toBe(wanted);
    expect(isDiscovery(parseRequestInfo('POST', path))).toBe(false);
  });

  test.each([
    ['/api/v1/pods?watch=1', true],
    ['/api/v1/watch/pods', true],
    ['/api/v1/namespaces/a/pods/b/log?follow=true', true],
    ['/api/v1/pods', false],
    ['/api/v1/namespaces/a/pods/b/log', false],
  ])('that %s goes on is %s', (path, wanted) => {
    expect(isLongLived(parseRequestInfo('GET', path))).toBe(wanted);
  });
});

describe.each(Object.entries(refusedTargets))('a target with %s', (_, targets) => {
  test.each(targets)('%j is refused', (target) => {
    expect(() => parseRequestInfo('GET', target)).toThrow(/invalid_path/);
  });
});

describe('refused methods', () => {
  test.each(['OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'get', 'Get', 'LIST', 'WATCH', '', 'GET '])(
    'the method %j is refused (P-16)',
    (method) => {
      expect(() => parseRequestInfo(method, '/api/v1/pods')).toThrow(/not allowed/);
    },
  );
});

describe('the target that goes upstream', () => {
  test.each([
    ['/api/v1/pods?watch=0&watch=1', '/api/v1/pods?watch=0'],
    ['/api/v1/pods?fieldSelector=a%3Db&fieldSelector=metadata.name%3Dx', '/api/v1/pods?fieldSelector=a%3Db'],
    ['/api/v1/pods?limit=500&limit=1', '/api/v1/pods?limit=500&limit=1'],
    [
      '/api/v1/namespaces/a/pods/b/exec?command=sh&command=-c&command=a+b',
      '/api/v1/namespaces/a/pods/b/exec?command=sh&command=-c&command=a%20b',
    ],
    ['/api/v1/pods?%77atch=1', '/api/v1/pods?watch=1'],
    ['/api/v1/pods?watch', '/api/v1/pods?watch='],
    ['/api/v1/pods?&&a=1&', '/api/v1/pods?a=1'],
    ['/api/v1/pods?a=%0d%0aX:%20y', '/api/v1/pods?a=%0D%0AX%3A%20y'],
    ['/apis/x/v1/roles/a%20b', '/apis/x/v1/roles/a%20b'],
    ['/apis/x/v1/roles/a%3Ab', '/apis/x/v1/roles/a:b'],
    ['/api/v1/nodes/n/proxy/', '/api/v1/nodes/n/proxy/'],
    ['/', '/'],
    ['/api/v1/pods?limit=-1&timeoutSeconds=99999999', '/api/v1/pods?limit=-1&timeoutSeconds=99999999'],
  ])('%s becomes %s', (target, wanted) => {
    expect(upstreamTarget(parseRequestInfo('GET', target))).toBe(wanted);
  });

  const fragments = fc.constantFrom(
    '/',
    '//',
    '.',
    '..',
    '%2e',
    '%2f',
    '%25',
    '%5c',
    '\\',
    ';',
    '?',
    '#',
    '&',
    '=',
    'watch',
    'watch=1',
    'fieldSelector=metadata.name%3Dx',
    'api',
    'apis',
    'v1',
    'namespaces',
    'pods',
    'proxy',
    'exec',
    'status',
    'dev',
    'web',
    ':',
    '%3A',
    '%20',
    '\t',
    '\u{ff0e}',
    '%00',
    '%c0%af',
    '+',
  );
  const targets = fc.array(fragments, { maxLength: 14 }).map((parts) => `/${parts.join('')}`);

  test('is read again as the very same request, or the request was refused', () => {
    fc.assert(
      fc.property(fc.constantFrom('GET', 'POST', 'DELETE'), targets, (method, target) => {
        const info = attempt(() => parseRequestInfo(method, target));
        if (!info) return;
        const upstream = upstreamTarget(info);
        expect(upstream).toMatch(/^\/[\x21-\x7e]*$/);
        expect(upstream).not.toMatch(/^[^?]*(?:\/\/|\/\.\.?(?:[/?]|$)|%2[fFeE]|\\|;)/);
        expect(parseRequestInfo(method, upstream)).toEqual(info);
      }),
      { numRuns: 5000 },
    );
  });
});

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
