import { FollowedReply, FollowedRequest, RotateRequest, RotationView } from '@postern/contracts';
import { route } from '@postern/http';
import { spiffeId } from '@postern/identity';
import type { JoinDeps } from '../deps.ts';
import { may } from '../sessions/may.ts';
import { countFollowers, noteFollower } from './followers.ts';
import { rotate } from './rotate.ts';
import { continuesAt, phasesAfter } from './rotation.ts';

/** `tctl auth rotate`: begins a rotation, or moves the one under way on or back. */
export const rotateRoute = route<JoinDeps>()({
  method: 'POST',
  url: '/v1/auth/rotation',
  allow: may('rotate', 'cert_authority'),
  body: RotateRequest,
  reply: RotationView,
  handle: async (deps, { body, principal, request }) => {
    const by = spiffeId(principal);
    await rotate(deps.rotation, body, { by, commandId: request.commandId });
    const view = await rotationView(deps);
    deps.telemetry.log.warn('the rotation of authorities was moved', { by, phase: view.phase });
    // Whoever was left behind is refused by the bus too, and it has to be told so.
    if (view.phase === 'standby') await deps.revocations.tell();
    return view;
  },
});

/** A joined process says by which trust it goes now. */
export const followedRoute = route<JoinDeps>()({
  method: 'POST',
  url: '/v1/agents/self/trust',
  allow: 'agent',
  body: FollowedRequest,
  reply: FollowedReply,
  handle: async ({ store, certifier, rotation }, { body: { revision }, principal: { id } }) => {
    // Another replica may have told of it a moment ago.
    if (revision > certifier.authorities.revision) await rotation.authorities.refresh();
    const noted = Math.min(revision, certifier.authorities.revision);
    await noteFollower(store.db, id, noted);
    return { revision: noted };
  },
});

/** How far the rotation is. */
export async function rotationView({ store, certifier, clock }: JoinDeps): Promise<RotationView> {
  const { rotation, revision } = certifier.authorities;
  const { phase, current, lastRotated } = rotation;
  const nextAt = continuesAt(rotation);
  return {
    phase,
    next: [...phasesAfter(phase)],
    uses: Object.keys(current?.candidates ?? {}),
    ...(current
      ? {
          mode: current.mode,
          startedAt: current.startedAt,
          phaseSince: current.phaseSince,
          graceSeconds: current.graceSeconds,
        }
      : {}),
    ...(nextAt ? { nextAt: nextAt.toISOString() } : {}),
    ...(lastRotated === undefined ? {} : { lastRotated }),
    agents: await countFollowers(store.db, revision, clock()),
  };
}
