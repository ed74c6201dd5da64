import { Type } from 'typebox';
import { defineEvent } from '../define-event.ts';

/** A certificate authority came into being. Its private key is sealed in the authority store, never here. */
export const AuthorityCreated = defineEvent('AuthorityCreated', {
  context: 'join',
  summary: 'A certificate authority came into being.',
  v: 1,
  data: Type.Object({
    use: Type.Union([Type.Literal('host'), Type.Literal('user')]),
    pin: Type.String(),
    certificate: Type.String(),
  }),
});

/** An agent proved who it is and received a certificate. Version 2 adds `service` and `busKey`, version 3 `attributes`, version 4 `tokenId`. */
export const AgentJoined = defineEvent('AgentJoined', {
  context: 'join',
  summary: 'An agent proved who it is and received a certificate.',
  v: 4,
  data: Type.Object({
    agentId: Type.String(),
    method: Type.String(),
    /** Safe form: masked for token joins, where the name is the secret. */
    token: Type.String(),
    /** SHA-256 of the token's name, hex: what a lock on the token is known by. */
    tokenId: Type.Optional(Type.String()),
    roles: Type.Array(Type.String()),
    hostname: Type.String(),
    generation: Type.Integer({ minimum: 1 }),
    notAfter: Type.String(),
    sourceIp: Type.Optional(Type.String()),
    /** SHA-256 of the certified public key (SPKI), hex: a repeated request for the same key is the same request. */
    key: Type.Optional(Type.String()),
    /** Which service of the control plane it is; kept at every renewal. */
    service: Type.Optional(Type.String()),
    /** Public key of the bus user that got a credential, which is how the bus is told to take it no more. */
    busKey: Type.Optional(Type.String()),
    /** What the proof established, as the join method names it; empty where there was nothing but the token. */
    attributes: Type.Record(Type.String(), Type.String()),
  }),
  // The first version knew neither: such an agent is no service, and its bus user cannot be named. Before the third there was
  // no method that proves anything. Agents of the first three are not found by a lock on their token.
  upcast: { 1: (data) => data, 2: (data) => ({ ...data, attributes: {} }), 3: (data) => data },
});

/** An agent renewed its certificate by its own identity. Version 2 adds `busKey`. */
export const AgentRenewed = defineEvent('AgentRenewed', {
  context: 'join',
  summary: 'An agent renewed its certificate by its own identity.',
  v: 2,
  data: Type.Object({
    agentId: Type.String(),
    generation: Type.Integer({ minimum: 2 }),
    notAfter: Type.String(),
    /** As in AgentJoined. */
    key: Type.Optional(Type.String()),
    busKey: Type.Optional(Type.String()),
  }),
  upcast: { 1: (data) => data },
});

/** Somebody ended an agent: its certificate is not renewed and its bus credentials are refused from this moment. */
export const AgentRevoked = defineEvent('AgentRevoked', {
  context: 'join',
  summary: 'An agent was revoked: it is not renewed, and the bus refuses it.',
  v: 1,
  data: Type.Object({
    agentId: Type.String(),
    /** Who did it, as in certificates. */
    by: Type.String(),
    message: Type.Optional(Type.String()),
    /** The bus users of the agent whose credentials have not ended, and when the last of each does. */
    busKeys: Type.Array(Type.Object({ key: Type.String(), notAfter: Type.String() })),
  }),
});

/** A certificate that had been renewed was to be renewed again with another key: somebody has a copy of the identity. */
export const AgentCopied = defineEvent('AgentCopied', {
  context: 'join',
  summary: 'A copy of an agent’s identity showed itself; the agent is locked.',
  v: 1,
  data: Type.Object({
    agentId: Type.String(),
    /** Generation of the certificate that was shown. */
    shown: Type.Integer({ minimum: 0 }),
    /** That of the latest certificate. */
    generation: Type.Integer({ minimum: 1 }),
    sourceIp: Type.Optional(Type.String()),
  }),
});

/** A join was refused. The joiner learned nothing of the reason; it is here. */
export const JoinRefused = defineEvent('JoinRefused', {
  context: 'join',
  summary: 'A join was refused; the reason is told here and nowhere else.',
  v: 1,
  data: Type.Object({
    method: Type.String(),
    token: Type.String(),
    hostname: Type.String(),
    roles: Type.Array(Type.String()),
    reason: Type.String(),
    sourceIp: Type.Optional(Type.String()),
  }),
});

/** A person's or bot's session began: certificates of this session name it. */
export const SessionStarted = defineEvent('SessionStarted', {
  context: 'join',
  summary: 'A session of a person or bot began.',
  v: 1,
  data: Type.Object({
    session: Type.String(),
    user: Type.String(),
    by: Type.String(),
    notAfter: Type.String(),
  }),
});
