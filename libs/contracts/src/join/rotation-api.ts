import { type Static, Type } from 'typebox';
import { RotationMode, RotationPhase } from './rotation-events.ts';

/** `POST /v1/auth/rotation`, by one who may rotate `cert_authority`: begins a rotation, or moves the one under way. */
export const RotateRequest = Type.Object(
  {
    phase: RotationPhase,
    /** Which authorities a new rotation replaces; both where absent. */
    type: Type.Optional(Type.Union([Type.Literal('host'), Type.Literal('user'), Type.Literal('all')])),
    /** Of a new rotation; `manual` where absent. */
    mode: Type.Optional(RotationMode),
    /** Of a new automatic rotation: how long it takes in all. */
    graceSeconds: Type.Optional(Type.Integer({ minimum: 3, maximum: 31_536_000 })),
    /** Goes on although joined processes have not followed the phase before. */
    force: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);
export type RotateRequest = Static<typeof RotateRequest>;

/** How far a rotation is. Times are RFC 3339. */
export const RotationView = Type.Object({
  phase: RotationPhase,
  /** Phases that may come next. */
  next: Type.Array(RotationPhase),
  mode: Type.Optional(RotationMode),
  uses: Type.Array(Type.String()),
  startedAt: Type.Optional(Type.String()),
  phaseSince: Type.Optional(Type.String()),
  graceSeconds: Type.Optional(Type.Integer()),
  /** When an automatic rotation moves on. */
  nextAt: Type.Optional(Type.String()),
  /** When the last rotation that replaced something ended. */
  lastRotated: Type.Optional(Type.String()),
  /** Joined processes with a certificate that has not ended, and those among them that go by the trust of this phase. */
  agents: Type.Object({ total: Type.Integer(), followed: Type.Integer() }),
});
export type RotationView = Static<typeof RotationView>;

/** `POST /v1/agents/self/trust`, by an agent or service: it goes by this revision of the trust now. */
export const FollowedRequest = Type.Object(
  { revision: Type.Integer({ minimum: 0, maximum: 2_147_483_647 }) },
  { additionalProperties: false },
);
export type FollowedRequest = Static<typeof FollowedRequest>;

/** The revision that was noted: no later one than there is. */
export const FollowedReply = Type.Object({ revision: Type.Integer() });
export type FollowedReply = Static<typeof FollowedReply>;

/** On `trustSubject`, and in the answer of `GET /v1/trust`: whom to trust, signed by each host authority; see libs/identity. */
export const TrustMessage = Type.Object({
  statements: Type.Array(Type.String({ maxLength: 65_536 }), { maxItems: 4 }),
});
export type TrustMessage = Static<typeof TrustMessage>;
