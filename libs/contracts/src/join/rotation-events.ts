import { type Static, Type } from 'typebox';
import { defineEvent } from '../define-event.ts';

/**
 * Where a rotation stands. `standby`: there is none. `init`: the new authorities are trusted beside the old ones. `update_clients`:
 * they certify agents and people, `update_servers`: the control plane too. `rollback`: the old ones certify again.
 */
export const RotationPhase = Type.Union([
  Type.Literal('standby'),
  Type.Literal('init'),
  Type.Literal('update_clients'),
  Type.Literal('update_servers'),
  Type.Literal('rollback'),
]);
export type RotationPhase = Static<typeof RotationPhase>;

/** `manual`: a person moves it on. `automatic`: it moves on after each third of the grace period. */
export const RotationMode = Type.Union([Type.Literal('manual'), Type.Literal('automatic')]);
export type RotationMode = Static<typeof RotationMode>;

const AuthorityUse = Type.Union([Type.Literal('host'), Type.Literal('user')]);

/** New authorities came into being, to replace others. Their private keys are sealed in the authority store, never here. */
export const AuthorityRotationStarted = defineEvent('AuthorityRotationStarted', {
  context: 'join',
  summary: 'New certificate authorities were made and are trusted beside those that they are to replace.',
  v: 1,
  data: Type.Object({
    rotationId: Type.String(),
    mode: RotationMode,
    graceSeconds: Type.Integer({ minimum: 0 }),
    /** Who did it, as in certificates. */
    by: Type.String(),
    at: Type.String(),
    authorities: Type.Array(
      Type.Object({
        use: AuthorityUse,
        pin: Type.String(),
        replaces: Type.String(),
        certificate: Type.String(),
      }),
    ),
  }),
});

/** A rotation went on, or was turned back. */
export const AuthorityRotationAdvanced = defineEvent('AuthorityRotationAdvanced', {
  context: 'join',
  summary: 'A rotation of the certificate authorities entered another phase.',
  v: 1,
  data: Type.Object({
    rotationId: Type.String(),
    phase: Type.Union([
      Type.Literal('update_clients'),
      Type.Literal('update_servers'),
      Type.Literal('rollback'),
    ]),
    by: Type.String(),
    at: Type.String(),
    /** How many joined processes had not followed the phase before. */
    behind: Type.Integer({ minimum: 0 }),
  }),
});

/** A rotation is over: what was replaced, or was to replace, is trusted no more and its private key is destroyed. */
export const AuthorityRotationEnded = defineEvent('AuthorityRotationEnded', {
  context: 'join',
  summary:
    'A rotation of the certificate authorities ended: the authorities that it retired are trusted no more.',
  v: 1,
  data: Type.Object({
    rotationId: Type.String(),
    outcome: Type.Union([Type.Literal('rotated'), Type.Literal('rolled_back')]),
    /** Pins of the authorities that are trusted no more. */
    retired: Type.Array(Type.String()),
    by: Type.String(),
    at: Type.String(),
    behind: Type.Integer({ minimum: 0 }),
  }),
});
