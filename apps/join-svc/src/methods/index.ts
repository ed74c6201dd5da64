import { ec2Method } from './ec2/ec2-method.ts';
import { kubernetesMethod } from './kubernetes/kubernetes-method.ts';
import type { JoinMethod } from './method.ts';
import { iamMethod } from './iam/iam.ts';
import { tokenMethod } from './token.ts';

/** Every way to join. One file or folder each, and one line here. */
export const joinMethods: readonly JoinMethod[] = [tokenMethod, iamMethod, kubernetesMethod, ec2Method];

/** The method of this name. */
export function methodNamed(
  name: string,
  methods: readonly JoinMethod[] = joinMethods,
): JoinMethod | undefined {
  return methods.find((method) => method.name === name);
}
