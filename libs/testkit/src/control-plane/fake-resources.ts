import { sha256Hex } from '@postern/core';
import type { FakeControlPlane, FakeResource } from './fake-control-plane.ts';
import { ok, type Received, refusal, type Reply } from './fake-replies.ts';

/** Reads, writes and removes resources, with their revisions. */
export function resourceReply(
  plane: FakeControlPlane,
  received: Received,
  [kind = '', name]: string[],
): Reply {
  if (received.method === 'GET' && name === undefined) {
    return ok([...plane.resources.values()].filter((resource) => resource.kind === kind));
  }
  if (received.method === 'POST' || received.method === 'PUT') return write(plane, received);
  const key = keyOf(plane, kind, name ?? '');
  const found = plane.resources.get(key);
  if (!found) return refusal(404, 'resource.not_found', `${kind} "${name}" not found`);
  if (received.method === 'DELETE') plane.resources.delete(key);
  return received.method === 'DELETE' ? { status: 204, body: undefined } : ok(found);
}

/** Tokens are addressed by the SHA-256 of their name, or by the name that lists show. */
function keyOf(plane: FakeControlPlane, kind: string, name: string): string {
  const keys = [...plane.resources.keys()].filter((key) => key.startsWith('token/'));
  const byDigest = keys.find((key) => sha256Hex(key.slice('token/'.length)) === name);
  return kind === 'token' && byDigest !== undefined ? byDigest : `${kind}/${name}`;
}

function write(plane: FakeControlPlane, { method, body, ifMatch }: Received): Reply {
  const document = body as FakeResource;
  const key = `${document.kind}/${document.metadata.name}`;
  const existing = plane.resources.get(key);
  const revision = String(Number(existing?.metadata.revision ?? 0) + 1);
  if (existing && method === 'POST') {
    return refusal(
      409,
      'resource.already_exists',
      `${document.kind} "${document.metadata.name}" already exists`,
    );
  }
  if (ifMatch !== undefined && ifMatch !== `"${existing?.metadata.revision}"`) {
    return refusal(409, 'resource.revision_conflict', 'revision does not match: read it again');
  }
  const stored = { ...document, metadata: { ...document.metadata, revision } };
  plane.resources.set(key, stored);
  return { status: existing ? 200 : 201, body: stored };
}
