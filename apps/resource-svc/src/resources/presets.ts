import { kindNamed, type Resource } from '@postern/contracts';
import { derivedUuid } from '@postern/core';
import { streamOf } from './resource-name.ts';
import { type ResourceStore, runCommand } from './run-command.ts';

const roles = [
  {
    kind: 'role',
    version: 'v7',
    metadata: {
      name: 'access',
      description: 'Reach Kubernetes clusters as the groups and users of one’s traits',
    },
    spec: {
      allow: {
        kubernetes_labels: { '*': '*' },
        kubernetes_groups: ['{{internal.kubernetes_groups}}'],
        kubernetes_users: ['{{internal.kubernetes_users}}'],
        kubernetes_resources: [{ kind: '*', name: '*', namespace: '*', verbs: ['*'] }],
      },
    },
  },
  {
    kind: 'role',
    version: 'v7',
    metadata: { name: 'editor', description: 'Change every resource' },
    spec: { allow: { rules: [{ resources: ['*'], verbs: ['*'] }] } },
  },
  {
    kind: 'role',
    version: 'v7',
    metadata: {
      name: 'auditor',
      description: 'Read the audit log, recordings of sessions, and what was decided by',
    },
    spec: {
      allow: {
        rules: [{ resources: ['event', 'session', 'role', 'user', 'lock'], verbs: ['list', 'read'] }],
      },
    },
  },
] as const;

const admin = {
  kind: 'user',
  version: 'v2',
  metadata: { name: 'admin' },
  spec: {
    roles: ['access', 'editor'],
    traits: { kubernetes_groups: ['postern:admins'] },
    created_by: 'system',
  },
} as const;

/**
 * Makes the roles and the user that a new cluster starts with, each once in its life: whoever removes one of them, or
 * changes it, finds it so after the next start too.
 */
export async function makePresets(deps: ResourceStore): Promise<void> {
  for (const preset of [...roles, admin]) await makeOnce(deps, preset);
}

async function makeOnce(
  deps: ResourceStore,
  preset: { kind: string; metadata: { name: string } },
): Promise<void> {
  const ref = { kind: preset.kind, id: preset.metadata.name };
  if ((await deps.store.load(streamOf(ref))).length > 0) return;
  const now = deps.clock();
  const resource = kindNamed(preset.kind)!.normalize(preset, { now }) as Resource;
  await runCommand(deps, {
    command: { type: 'WriteResource', mode: 'preset', ref, resource, secrets: {}, dropped: [], now },
    commandId: derivedUuid('preset', streamOf(ref)),
  });
}
