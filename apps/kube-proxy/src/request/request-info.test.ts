import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isDiscovery, isLongLived, parseRequestInfo, upstreamTarget } from './request-info.ts';

/** verb, group/version, namespace, resource, subresource, name; `-` for an empty one. */
const rows: readonly (readonly [request: string, attributes: string])[] = [
  // Rows of the compatibility reference.
  ['GET /api/v1/watch/namespaces/kube-system', 'watch v1 kube-system namespaces - kube-system'],
  ['GET /api/v1/namespaces/kube-system/pods/foo/exec', 'get v1 kube-system pods exec foo'],
  [
    'GET /apis/apiregistration.k8s.io/v1/apiservices/foo/status',
    'get apiregistration.k8s.io/v1 - apiservices status foo',
  ],
  ['GET /api/v1/nodes/foo/proxy/bar', 'get v1 - nodes proxy foo'],
  ['POST /apis/apps/v1beta2/namespaces/default/deployments', 'create apps/v1beta2 default deployments - -'],
  ['GET /api/v1/namespaces/default/persistentvolumes/foo', 'get v1 default persistentvolumes - foo'],
  // Methods.
  ['GET /api/v1/namespaces/dev/pods', 'list v1 dev pods - -'],
  ['HEAD /api/v1/namespaces/dev/pods', 'list v1 dev pods - -'],
  ['GET /api/v1/namespaces/dev/pods/web', 'get v1 dev pods - web'],
  ['HEAD /api/v1/namespaces/dev/pods/web', 'get v1 dev pods - web'],
  ['POST /api/v1/namespaces/dev/pods', 'create v1 dev pods - -'],
  ['PUT /api/v1/namespaces/dev/pods/web', 'update v1 dev pods - web'],
  ['PATCH /api/v1/namespaces/dev/pods/web', 'patch v1 dev pods - web'],
  ['DELETE /api/v1/namespaces/dev/pods/web', 'delete v1 dev pods - web'],
  ['DELETE /api/v1/namespaces/dev/pods', 'deletecollection v1 dev pods - -'],
  ['POST /api/v1/namespaces/dev/pods/web/exec', 'create v1 dev pods exec web'],
  ['POST /api/v1/namespaces/dev/pods/web/attach', 'create v1 dev pods attach web'],
  ['POST /api/v1/namespaces/dev/pods/web/portforward', 'create v1 dev pods portforward web'],
  ['PATCH /api/v1/namespaces/dev/pods/web/ephemeralcontainers', 'patch v1 dev pods ephemeralcontainers web'],
  ['POST /api/v1/namespaces/dev/pods/web/eviction', 'create v1 dev pods eviction web'],
  ['POST /api/v1/namespaces/dev/pods/web/binding', 'create v1 dev pods binding web'],
  ['GET /api/v1/namespaces/dev/pods/web/log', 'get v1 dev pods log web'],
  ['POST /api/v1/namespaces/dev/serviceaccounts/sa/token', 'create v1 dev serviceaccounts token sa'],
  // Scopes.
  ['GET /api/v1/pods', 'list v1 - pods - -'],
  ['GET /api/v1/nodes', 'list v1 - nodes - -'],
  ['GET /api/v1/nodes/n1', 'get v1 - nodes - n1'],
  ['GET /api/v1/namespaces', 'list v1 - namespaces - -'],
  ['GET /api/v1/namespaces/dev', 'get v1 dev namespaces - dev'],
  ['PUT /api/v1/namespaces/dev', 'update v1 dev namespaces - dev'],
  ['DELETE /api/v1/namespaces/dev', 'delete v1 dev namespaces - dev'],
  ['PUT /api/v1/namespaces/dev/finalize', 'update v1 dev namespaces finalize dev'],
  ['PATCH /api/v1/namespaces/dev/status', 'patch v1 dev namespaces status dev'],
  ['GET /api/v1/namespaces/status/pods', 'list v1 status pods - -'],
  ['GET /api/v1/namespaces/dev/namespaces/x', 'get v1 dev namespaces - x'],
  ['POST /api/v1/namespaces', 'create v1 - namespaces - -'],
  ['GET /apis/apps/v1/deployments', 'list apps/v1 - deployments - -'],
  ['GET /apis/apps/v1/namespaces/dev/deployments/web/scale', 'get apps/v1 dev deployments scale web'],
  [
    'GET /apis/rbac.authorization.k8s.io/v1/clusterroles/system:node',
    'get rbac.authorization.k8s.io/v1 - clusterroles - system:node',
  ],
  [
    'GET /apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode',
    'get rbac.authorization.k8s.io/v1 - clusterroles - system:node',
  ],
  ['GET /apis/metrics.k8s.io/v1beta1/namespaces/dev/pods', 'list metrics.k8s.io/v1beta1 dev pods - -'],
  ['GET /apis/example.com/v1/namespaces/dev/pods', 'list example.com/v1 dev pods - -'],
  ['GET /apis/apps/v1/namespaces', 'list apps/v1 - namespaces - -'],
  // Case is kept, as Kubernetes keeps it (P-04).
  ['GET /api/V1/Pods', 'list V1 - Pods - -'],
  ['GET /api/v1/namespaces/DEV/pods/EXEC', 'get v1 DEV pods - EXEC'],
  ['GET /api/v1/namespaces/dev/pods/web/EXEC', 'get v1 dev pods EXEC web'],
  // Watch in the path (P-07).
  ['GET /api/v1/watch/pods', 'watch v1 - pods - -'],
  ['GET /api/v1/watch/namespaces/kube-system/secrets', 'watch v1 kube-system secrets - -'],
  ['GET /api/v1/watch/namespaces/dev/pods/web', 'watch v1 dev pods - web'],
  ['GET /apis/apps/v1/watch/deployments', 'watch apps/v1 - deployments - -'],
  ['DELETE /api/v1/watch/namespaces/dev/pods/web', 'watch v1 dev pods - web'],
  ['GET /api/v1/watch/namespaces', 'watch v1 - namespaces - -'],
  ['GET /api/v1/proxy/nodes/n1', 'proxy v1 - nodes - n1'],
  ['GET /api/v1/proxy/namespaces/dev/services/web', 'proxy v1 dev services - web'],
  ['GET /api/v1/watch/pods?fieldSelector=metadata.name%3Dweb', 'watch v1 - pods - -'],
  // Watch in the query (P-09).
  ['GET /api/v1/pods?watch=true', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?watch=1', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?watch=', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?watch', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?watch=yes', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?watch=TRUE', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?watch=no', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?watch=00', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?watch=0', 'list v1 - pods - -'],
  ['GET /api/v1/pods?watch=false', 'list v1 - pods - -'],
  ['GET /api/v1/pods?watch=FALSE', 'list v1 - pods - -'],
  ['GET /api/v1/pods?watch=0&watch=1', 'list v1 - pods - -'],
  ['GET /api/v1/pods?watch=1&watch=0', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?WATCH=1', 'list v1 - pods - -'],
  ['GET /api/v1/pods?%77atch=1', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?+watch=1', 'list v1 - pods - -'],
  ['GET /api/v1/pods?&&watch=1', 'watch v1 - pods - -'],
  ['GET /api/v1/pods?allowWatchBookmarks=true', 'list v1 - pods - -'],
  ['GET /api/v1/namespaces/dev/pods/web?watch=true', 'get v1 dev pods - web'],
  ['GET /api/v1/namespaces/dev/pods/web/log?follow=true', 'get v1 dev pods log web'],
  ['POST /api/v1/namespaces/dev/pods?watch=true', 'create v1 dev pods - -'],
  ['HEAD /api/v1/pods?watch=1', 'watch v1 - pods - -'],
  // Names in field selectors (P-10).
  ['GET /api/v1/namespaces/dev/secrets?fieldSelector=metadata.name%3Dx', 'list v1 dev secrets - x'],
  ['GET /api/v1/namespaces/dev/secrets?fieldSelector=metadata.name=x', 'list v1 dev secrets - x'],
  ['GET /api/v1/namespaces/dev/secrets?fieldSelector=metadata.name%3D%3Dx', 'list v1 dev secrets - x'],
  ['GET /api/v1/namespaces/dev/secrets?fieldSelector=metadata.name!%3Dx', 'list v1 dev secrets - -'],
  ['GET /api/v1/namespaces/dev/secrets?fieldSelector=metadata.name%3Dx&watch=1', 'watch v1 dev secrets - x'],
  [
    'DELETE /api/v1/namespaces/dev/secrets?fieldSelector=metadata.name%3Dx',
    'deletecollection v1 dev secrets - x',
  ],
  [
    'GET /api/v1/secrets?fieldSelector=metadata.name%3Dx%2Cmetadata.namespace%3Dkube-system',
    'list v1 - secrets - x',
  ],
  ['GET /api/v1/secrets?fieldSelector=metadata.namespace%3Ddev%2Cmetadata.name%3Dx', 'list v1 - secrets - x'],
  ['GET /api/v1/secrets?fieldSelector=type%3DOpaque', 'list v1 - secrets - -'],
  [
    'GET /api/v1/secrets?fieldSelector=metadata.name%3Dx&fieldSelector=metadata.name%3Dy',
    'list v1 - secrets - x',
  ],
  ['GET /api/v1/secrets?fieldSelector=metadata.name%253Dx', 'list v1 - secrets - -'],
  ['GET /api/v1/secrets?fieldSelector=metadata.name%3D', 'list v1 - secrets - -'],
  ['GET /api/v1/secrets?fieldSelector=metadata.name%3D..', 'list v1 - secrets - -'],
  ['GET /api/v1/secrets?fieldSelector=metadata.name%3Da%2Fb', 'list v1 - secrets - -'],
  ['GET /api/v1/secrets?fieldSelector=metadata.name%3Da%5C%2Cb', 'list v1 - secrets - a,b'],
  ['GET /api/v1/secrets?fieldSelector=metadata.name%3Da%2Cb', 'list v1 - secrets - -'],
  ['GET /api/v1/secrets?fieldSelector=metadata.name%3Da%5C', 'list v1 - secrets - -'],
  ['GET /api/v1/secrets?fieldSelector=metadata.names%3Dx', 'list v1 - secrets - -'],
  ['GET /api/v1/namespaces/dev/pods/web?fieldSelector=metadata.name%3Dother', 'get v1 dev pods - web'],
  ['POST /api/v1/namespaces/dev/pods?fieldSelector=metadata.name%3Dx', 'create v1 dev pods - -'],
  ['GET /api/v1/secrets?labelSelector=metadata.name%3Dx', 'list v1 - secrets - -'],
  // Proxied paths (W-02, W-03).
  ['GET /api/v1/nodes/n1/proxy/exec/dev/web-1/web', 'get v1 - nodes proxy n1'],
  ['POST /api/v1/nodes/n1/proxy/run/dev/web-1/web', 'create v1 - nodes proxy n1'],
  ['GET /api/v1/nodes/https:n1:10250/proxy/', 'get v1 - nodes proxy https:n1:10250'],
  [
    'GET /api/v1/namespaces/kube-system/services/https:dashboard:/proxy/',
    'get v1 kube-system services proxy https:dashboard:',
  ],
  ['GET /api/v1/namespaces/dev/pods/web:9090/proxy/metrics', 'get v1 dev pods proxy web:9090'],
  ['GET /api/v1/namespaces/dev/pods/web/a/b/c', 'get v1 dev pods a web'],
];

describe('attributes of a request', () => {
  test.each(rows)('%s is %s', (request, attributes) => {
    const [method = '', target = ''] = request.split(' ');
    const info = parseRequestInfo(method, target);
    const group = info.apiGroup === '' ? info.apiVersion : `${info.apiGroup}/${info.apiVersion}`;
    const shown = [info.verb, group, info.namespace, info.resource, info.subresource, info.name];
    expect(shown.map((part) => part || '-').join(' ')).toBe(attributes);
    expect(info.isResource).toBe(true);
  });

  test.each([
    '/',
    '/api',
    '/apis',
    '/api/v1',
    '/apis/apps',
    '/apis/apps/v1',
    '/version',
    '/healthz',
    '/livez',
    '/readyz',
    '/livez/ping',
    '/openapi/v2',
    '/openapi/v3',
    '/openapi/v3/apis/apps/v1',
    '/logs',
    '/metrics',
    '/debug/pprof/heap',
    '/configz',
    '/flagz',
    '/statusz',
    '/.well-known/openid-configuration',
    '/API/v1/pods',
    '/Apis/apps/v1/deployments',
    '/foo/api/v1/pods',
    '/api1/v1/pods',
  ])('%s names no resource', (path) => {
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

describe('refused targets', () => {
  test.each([
    // P-01 dot segments
    '/api/v1/namespaces/dev/pods/../../kube-system/secrets',
    '/api/v1/namespaces/dev/pods/%2e%2e/%2e%2e/secrets',
    '/api/v1/.%2e/x',
    '/api/v1/%2e./x',
    '/api/v1/./pods',
    '/api/v1/pods/..',
    '/api/v1/pods/.',
    '/api/v1/pods/..;/x',
    '/api/v1/.../pods',
    '/api/v1/%2E%2E/pods',
    '/..',
    '/.',
    // P-02 encoded and other slashes
    '/api/v1/namespaces/dev%2f..%2fkube-system/secrets',
    '/api/v1/namespaces/dev/pods%2fexec',
    '/api/v1/namespaces/dev%2Fx/pods',
    '/api/v1/pods/%252f',
    '/api/v1/pods/%255c',
    '/api/v1/pods/%5c',
    '/api/v1/pods\\..\\secrets',
    '/api\\v1\\pods',
    '/api/v1/na\tmespaces',
    '/api/v1/na\rmespaces',
    '/api/v1/na\nmespaces',
    // P-03 empty segments
    '//api/v1/secrets',
    '/api//v1/secrets',
    '/api/v1/namespaces//pods',
    '/api/v1/pods/',
    '/api/v1/pods/./',
    '/api/v1/pods//',
    '///',
    '//',
    '/api/v1/namespaces/dev/pods/web/exec/',
    '/apis/',
    '/api/',
    '//evil.test/api',
    '/api/v1/nodes/n1/proxy//x',
    '/api/v1/nodes/n1/proxy//',
    // P-05 parameters, NUL, encodings
    '/api/v1/pods;x=1/web',
    '/api/v1/pods/web;x=1',
    '/api/v1/pods,/',
    '/api/v1/pods%3bx',
    '/api/v1/pods%00',
    '/api/v1/pods/web%0a',
    '/api/v1/pods/web%09',
    '/api/v1/pods/%c0%af',
    '/api/v1/pods/%ff',
    '/api/v1/pods/\u{ff0e}\u{ff0e}',
    '/api/v1/pods/%EF%BC%8E',
    '/api/v1/pods/\ud800',
    '/api/v1/pods/%zz',
    '/api/v1/pods/%2',
    '/api/v1/pods/%',
    '/api/v1/pods/web\0',
    '/api/v1/pods/w eb',
    '/api/v1/pods/caf\u00e9',
    '/api/v1/pods/%7f',
    '/api/v1/pods/%u002e',
    // P-06 fragments and question marks
    '/api/v1/pods#x',
    '/api/v1/pods/%23',
    '/api/v1/pods/%3f',
    '#',
    '/api/v1/pods?a#b',
    // Escapes of what needs none, or escapes twice
    '/api/v1/%70ods',
    '/api/v1/pods/web%2d1',
    '/api/v1/pods/%25',
    '/api/v1/pods/%2525',
    // S-06 forms
    'http://evil.test/api',
    'https://evil.test/api/v1/pods',
    '*',
    '',
    'api/v1/pods',
    'evil.test:443',
    '?watch=1',
    ' /api',
    // Broken queries
    '/api/v1/pods?a=%zz',
    '/api/v1/pods?a=%',
    '/api/v1/pods?a;b=1',
    '/api/v1/pods?a=b c',
    '/api/v1/pods?a=\u00e9',
    '/api/v1/pods?a=%c0%af',
    '/api/v1/pods?a=\\',
    `/api/v1/pods?${'a&'.repeat(300)}`,
    `/${'a'.repeat(20_000)}`,
    // Nothing behind a special verb
    '/api/v1/watch',
    '/api/v1/proxy',
    '/apis/apps/v1/watch',
    '/api/v1/watch/',
  ])('%j is refused', (target) => {
    expect(() => parseRequestInfo('GET', target)).toThrow(/invalid_path/);
  });

  test.each(['OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'get', 'Get', 'LIST', 'WATCH', '', 'GET '])(
    'the method %j is refused',
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
      { numRuns: 20_000 },
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
