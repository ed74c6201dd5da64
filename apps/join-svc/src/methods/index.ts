import type { JoinMethod } from './method.ts';
import { tokenMethod } from './token.ts';

/** Every way to join. One file each, and one line here. */
export const joinMethods: readonly JoinMethod[] = [tokenMethod];

/** The method of this name. */
export function methodNamed(name: string): JoinMethod | undefined {
  return joinMethods.find((method) => method.name === name);
}
