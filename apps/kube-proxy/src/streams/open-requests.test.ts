import type { KubeAllow, KubeDecision } from '@postern/access';
import { describe, expect, test } from 'vitest';
import { OpenCounts } from '../limits/open-counts.ts';
import { defaultUserLimits, type UserLimits } from '../limits/user-limits.ts';
import { type OpenRequest, OpenRequests } from './open-requests.ts';

const allow = (kubeUser: string): KubeAllow => ({ allowed: true, kubeUser, kubeGroups: ['g'], roles: [] });

function setup(limits: Partial<UserLimits> = {}) {
  const now: { decision: KubeDecision | undefined } = { decision: allow('alice') };
  const open = new OpenRequests(
    () => now.decision,
    new OpenCounts({ ...defaultUserLimits, ...limits }, () => undefined),
  );
  const cuts: string[] = [];
  const request = (id: string, notAfter = new Date(1_000_000)): OpenRequest => {
    const opened: OpenRequest = {
      principal: { type: 'user', id, clusterName: 'c', roles: [], notAfter, fingerprint: '' },
      cluster: 'c1',
      attributes: {} as OpenRequest['attributes'],
      asked: {},
      decision: allow('alice'),
      agentId: undefined,
      cut: ({ code }) => {
        cuts.push(code);
        open.remove(opened);
      },
    };
    return opened;
  };
  return { now, open, cuts, request };
}

describe('requests under way', () => {
  test.each<[string, KubeDecision | undefined, number]>([
    ['decided as before', allow('alice'), 0],
    ['granted to somebody else', allow('bob'), 1],
    ['of a cluster that is gone', undefined, 1],
  ])('%s are cut or not', async (_, decision, cut) => {
    const { now, open, cuts, request } = setup();
    open.add(request('alice'));
    now.decision = decision;
    await open.recheck();
    expect(cuts).toHaveLength(cut);
    expect(open.size).toBe(1 - cut);
  });

  test('see a change that comes while another is looked at', async () => {
    const { now, open, cuts, request } = setup();
    for (let count = 0; count < 1200; count += 1) open.add(request('alice'));
    const first = open.recheck();
    now.decision = undefined;
    await open.recheck();
    await first;
    await open.recheck();
    expect(cuts).toHaveLength(1200);
  });

  test('are as many for each user as the limit says', () => {
    const { open, request } = setup({ open: 2 });
    const first = request('alice');
    open.add(first);
    open.add(request('alice'));
    expect(() => open.add(request('alice'))).toThrow(/max=2/);
    open.add(request('bob'));
    open.remove(first);
    open.remove(first);
    open.add(request('alice'));
    expect(() => open.add(request('alice'))).toThrow(/max=2/);
  });

  test('end with the certificate', () => {
    const { open, cuts, request } = setup();
    open.add(request('alice', new Date(10)));
    open.add(request('alice', new Date(20)));
    open.cutExpired(new Date(15));
    expect(cuts).toEqual(['kube.certificate_expired']);
  });
});
