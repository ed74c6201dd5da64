import { describe, expect, test } from 'vitest';
import { ruleVerb } from './rule-verb.ts';
import { parseRequest } from './testing.ts';

describe('the verb a request is judged by', () => {
  test.each([
    ['get pods', 'get', ['get']],
    ['list pods', 'list', ['list']],
    ['watch pods', 'watch', ['watch']],
    ['create pods', 'create', ['create']],
    ['deletecollection pods', 'deletecollection', ['deletecollection']],
    ['get pods/log', 'get', ['get']],
    ['update pods/status', 'update', ['update']],
    ['patch deployments/scale.apps', 'patch', ['patch']],
    ['create pods/exec', 'exec', ['exec']],
    ['get pods/exec', 'exec', ['exec']],
    ['get pods/attach', 'exec', ['exec']],
    ['create pods/attach', 'exec', ['exec']],
    ['get pods/portforward', 'portforward', ['portforward']],
    ['create pods/portforward', 'portforward', ['portforward']],
    ['patch pods/ephemeralcontainers', 'exec', ['exec', 'patch']],
    ['update pods/ephemeralcontainers', 'exec', ['exec', 'update']],
    ['get pods/ephemeralcontainers', 'get', ['get']],
    ['create pods/eviction', 'delete', ['delete', 'create']],
    ['get pods/proxy', '*', ['get', 'portforward']],
    ['create services/proxy', '*', ['create']],
    ['get nodes/proxy', '*', ['get']],
    ['create serviceaccounts/token', '*', ['create']],
    ['update certificatesigningrequests/approval.certificates.k8s.io', '*', ['update']],
    ['update certificatesigningrequests/status.certificates.k8s.io', 'update', ['update']],
    ['get serviceaccounts', 'get', ['get']],
    ['create pods/exec.example.com', 'create', ['create']],
    ['create deployments/exec.apps', 'create', ['create']],
    ['impersonate users', 'impersonate', ['impersonate']],
  ])('of %s is %s (W-01, W-02, W-03, W-04)', (request, allow, deny) => {
    expect(ruleVerb(parseRequest(request))).toEqual({ allow, deny });
  });

  test('looks at the subresource before what follows it', () => {
    expect(ruleVerb({ ...parseRequest('get nodes'), subresource: 'proxy/exec/dev/web-1/web' }).allow).toBe(
      '*',
    );
  });
});
