import type { Principal } from '@postern/identity';
import { kindOf } from '../resources/resource-name.ts';
import { callerOf, type CallerDeps, requireRule } from './caller.ts';

interface Reading {
  readonly principal: Principal;
  readonly kind: string;
  readonly withSecrets: boolean;
}

/**
 * Refuses a reader whose roles do not cover what is to be read.
 *
 * Whoever manages clusters may read them, but a kubeconfig is access to the cluster behind all of our checks: reading it
 * needs the verb `use` as well, which a role gets by naming it or by `*`.
 */
export async function requireRead(
  deps: CallerDeps,
  { principal, kind, withSecrets }: Reading,
): Promise<void> {
  const caller = await callerOf(deps, principal);
  const { kind: name } = kindOf(kind);
  requireRule(caller, name, [withSecrets ? 'read' : 'readnosecrets']);
  if (withSecrets && name === 'kube_cluster') requireRule(caller, name, ['use']);
}
