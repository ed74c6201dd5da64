import { failure } from '@postern/core';
import { ec2Method } from './ec2.ts';
import { iamMethod } from './iam.ts';
import { kubernetesMethod } from './kubernetes.ts';
import type { ProvingMethod } from './method.ts';
import { tokenMethod } from './token.ts';

/** Every way to join that a process knows. One file each, and one line here. */
export const provingMethods: readonly ProvingMethod[] = [tokenMethod, iamMethod, kubernetesMethod, ec2Method];

/** A configuration asks for a join method that no agent has. */
export const UnknownJoinMethod = failure(
  'invalid_argument',
  'agent.unknown_join_method',
  (name: string, known: readonly ProvingMethod[]) =>
    `there is no join method ${JSON.stringify(name.slice(0, 40))}; known: ${known.map((method) => method.name).join(', ')}`,
);

/** The method of this name; fails with the names of all where there is none. */
export function methodNamed(name: string, methods: readonly ProvingMethod[] = provingMethods): ProvingMethod {
  const found = methods.find((method) => method.name === name);
  if (!found) throw UnknownJoinMethod(name, methods);
  return found;
}
