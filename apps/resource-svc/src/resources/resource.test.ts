import { type PublicResource, ResourceDeleted, ResourceUpserted } from '@postern/contracts';
import { AppError } from '@postern/core';
import { describe, expect, test } from 'vitest';
import {
  decideResource,
  type DeleteResource,
  evolveResource,
  initialResource,
  type ResourceEvent,
  type WriteResource,
} from './resource.ts';
import { revisionOf } from './resource-name.ts';

const now = new Date('2026-01-02T00:00:00Z');
const ref = { kind: 'kube_cluster', id: 'c1' };

function cluster(metadata: Partial<PublicResource['metadata']> = {}): PublicResource {
  const labels = { 'teleport.dev/origin': 'dynamic', ...metadata.labels };
  return { kind: 'kube_cluster', version: 'v3', metadata: { name: 'c1', ...metadata, labels }, spec: {} };
}

function upserted(
  resource = cluster(),
  rest: { created?: boolean; secrets?: Record<string, string> } = {},
): ResourceEvent {
  return ResourceUpserted({ ...ref, created: true, secrets: {}, ...rest, resource });
}

const deleted = (reason: 'removed' | 'expired' = 'removed') => ResourceDeleted({ ...ref, reason });

function put(rest: Partial<WriteResource> = {}): WriteResource {
  return {
    type: 'WriteResource',
    mode: 'put',
    ref,
    resource: cluster(),
    secrets: {},
    dropped: [],
    now,
    ...rest,
  };
}

function remove(rest: Partial<DeleteResource> = {}): DeleteResource {
  return { type: 'DeleteResource', ref, reason: 'removed', name: 'c1', now, ...rest };
}

function given(...history: ResourceEvent[]) {
  const state = history.reduce(evolveResource, initialResource);
  return { when: (command: WriteResource | DeleteResource) => decideResource(command, state) };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error.code;
  }
  return 'none';
}

describe('writing a resource', () => {
  test('that is absent creates it', () => {
    expect(given().when(put({ mode: 'create' }))).toEqual([upserted()]);
    expect(given().when(put())).toEqual([upserted()]);
  });

  test('that was deleted creates it again', () => {
    expect(given(upserted(), deleted()).when(put({ mode: 'create' }))).toEqual([upserted()]);
  });

  test('that exists is refused unless it may be replaced', () => {
    expect(codeOf(() => given(upserted()).when(put({ mode: 'create' })))).toBe('resource.already_exists');
  });

  test('that is the same already records nothing', () => {
    expect(given(upserted()).when(put())).toEqual([]);
  });

  test('keeps a secret whose value is written again, if it is still the one that was compared', () => {
    const stored = upserted(cluster(), { secrets: { 'spec.kubeconfig': 'r1' } });
    const secrets = { 'spec.kubeconfig': 'r2' };
    expect(given(stored).when(put({ secrets, same: { 'spec.kubeconfig': 'r1' } }))).toEqual([]);
    const changed = upserted(cluster(), { created: false, secrets });
    expect(given(stored).when(put({ secrets, same: { 'spec.kubeconfig': 'r0' } }))).toEqual([changed]);
    expect(given(stored, deleted()).when(put({ secrets, same: { 'spec.kubeconfig': 'r1' } }))).toEqual([
      upserted(cluster(), { created: true, secrets }),
    ]);
  });

  test('keeps secrets that the command does not name', () => {
    const resource = cluster({ labels: { env: 'test' } });
    const stored = upserted(cluster(), { secrets: { 'spec.kubeconfig': 'r1' } });
    const kept = upserted(resource, { created: false, secrets: { 'spec.kubeconfig': 'r1' } });
    expect(given(stored).when(put({ resource }))).toEqual([kept]);
  });

  test('replaces a secret, and drops one that was emptied', () => {
    const stored = upserted(cluster(), { secrets: { 'spec.kubeconfig': 'r1' } });
    const secrets = { 'spec.kubeconfig': 'r2' };
    expect(given(stored).when(put({ secrets }))).toEqual([upserted(cluster(), { created: false, secrets })]);
    expect(given(stored).when(put({ dropped: ['spec.kubeconfig'] }))).toEqual([
      upserted(cluster(), { created: false }),
    ]);
  });

  test('on the condition of a revision needs that revision', () => {
    const resource = cluster({ description: 'new' });
    const history = given(upserted(), deleted(), upserted());
    expect(history.when(put({ resource, ifMatch: revisionOf(ref, 3) }))).toHaveLength(1);
    expect(codeOf(() => history.when(put({ resource, ifMatch: revisionOf(ref, 1) })))).toBe(
      'resource.revision_conflict',
    );
    expect(codeOf(() => given().when(put({ ifMatch: revisionOf(ref, 1) })))).toBe('resource.not_found');
  });

  test('of another origin is refused', () => {
    const cloud = cluster({ labels: { 'teleport.dev/origin': 'cloud' } });
    expect(codeOf(() => given(upserted(cloud)).when(put()))).toBe('resource.origin_conflict');
    expect(codeOf(() => given(upserted()).when(put({ resource: cloud })))).toBe('resource.origin_conflict');
    expect(codeOf(() => given().when(put({ resource: cloud })))).toBe('resource.origin_reserved');
  });

  test('of the same other origin is possible', () => {
    const cloud = cluster({ labels: { 'teleport.dev/origin': 'cloud' } });
    const edited = cluster({ labels: { 'teleport.dev/origin': 'cloud', env: 'test' } });
    expect(given(upserted(cloud)).when(put({ resource: edited }))).toHaveLength(1);
  });

  test('over one that has expired says that first', () => {
    const old = upserted(cluster({ expires: '2026-01-01T00:00:00Z' }), {
      secrets: { 'spec.kubeconfig': 'r1' },
    });
    expect(given(old).when(put({ mode: 'create' }))).toEqual([deleted('expired'), upserted()]);
  });
});

describe('a preset', () => {
  test('is made once and never again', () => {
    expect(given().when(put({ mode: 'preset' }))).toEqual([upserted()]);
    expect(given(upserted(cluster({ description: 'changed' }))).when(put({ mode: 'preset' }))).toEqual([]);
    expect(given(upserted(), deleted()).when(put({ mode: 'preset' }))).toEqual([]);
  });
});

describe('deleting a resource', () => {
  test('that exists removes it', () => {
    expect(given(upserted()).when(remove())).toEqual([deleted()]);
  });

  test('that is absent or expired is refused', () => {
    expect(codeOf(() => given().when(remove()))).toBe('resource.not_found');
    expect(codeOf(() => given(upserted(), deleted()).when(remove()))).toBe('resource.not_found');
    const old = upserted(cluster({ expires: '2026-01-01T00:00:00Z' }));
    expect(codeOf(() => given(old).when(remove()))).toBe('resource.not_found');
  });

  test('on the condition of a revision needs that revision', () => {
    expect(given(upserted()).when(remove({ ifMatch: revisionOf(ref, 1) }))).toEqual([deleted()]);
    expect(codeOf(() => given(upserted()).when(remove({ ifMatch: 'x' })))).toBe('resource.revision_conflict');
  });

  test('because it expired happens once, and only if it has', () => {
    const expires = '2026-01-02T00:00:00Z';
    expect(given(upserted(cluster({ expires }))).when(remove({ reason: 'expired' }))).toEqual([
      deleted('expired'),
    ]);
    expect(
      given(upserted(cluster({ expires: '2026-01-02T00:00:01Z' }))).when(remove({ reason: 'expired' })),
    ).toEqual([]);
    expect(given(upserted()).when(remove({ reason: 'expired' }))).toEqual([]);
    expect(given().when(remove({ reason: 'expired' }))).toEqual([]);
  });
});

describe('a revision', () => {
  test('is another one for each version and resource', () => {
    const all = [revisionOf(ref, 1), revisionOf(ref, 2), revisionOf({ kind: 'role', id: 'c1' }, 1)];
    expect(new Set(all).size).toBe(3);
  });
});
