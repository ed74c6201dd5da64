import { JoinRefused, type JoinRequest } from '@postern/contracts';
import { type AppError, delay, failure, uuidv7 } from '@postern/core';
import type { JoinDeps } from '../deps.ts';

/** What every refused joiner is told, whatever the reason. */
export const JoinWasRefused = failure(
  'permission_denied',
  'join.refused',
  () => 'the join was refused: check the token, its roles and its expiry on the control plane',
);

/** What is told to whoever has proved to be meant by the token, and asks for what it does not give. */
export const NotAllowedByToken = failure(
  'permission_denied',
  'join.not_allowed_by_token',
  (why: string) => why,
);

/** A refused attempt. */
export interface Refusal {
  readonly request: Pick<JoinRequest, 'method' | 'hostname' | 'roles'>;
  /** Safe form of the token's name. */
  readonly token: string;
  readonly reason: string;
  readonly sourceIp: string;
  /** `performance.now()` when the request came. */
  readonly since: number;
  /** What the joiner is told; nothing but that it was refused where absent. */
  readonly told?: AppError;
}

/** Records a refusal, each: an id of the client's would let it have one recorded and the others not. */
export async function recordRefusal(
  { store }: Pick<JoinDeps, 'store'>,
  event: ReturnType<typeof JoinRefused>,
): Promise<void> {
  const id = uuidv7();
  await store.append([{ stream: `join/${id}`, version: 1, id, event }]);
}

/** Records why, waits until the time at which every refusal is answered, and refuses. */
export async function refuse(
  deps: Pick<JoinDeps, 'store' | 'telemetry' | 'refusalAfterMs'>,
  { request, token, reason, sourceIp, since, told = JoinWasRefused() }: Refusal,
): Promise<never> {
  const { method, hostname, roles } = request;
  const event = JoinRefused({ method, token, hostname, roles: [...roles], reason, sourceIp });
  await recordRefusal(deps, event);
  deps.telemetry.log.warn('a join was refused', { method, token, hostname, reason, sourceIp });
  await delay(Math.max(0, deps.refusalAfterMs - (performance.now() - since)));
  throw told;
}
