import { Type, type Static } from 'typebox';
import { RotationView } from './rotation-api.ts';

/** System roles a joined process may hold. */
export const SystemRole = Type.Union(
  (['Kube', 'Discovery', 'Proxy', 'Auth', 'Bot', 'Node', 'App', 'Db'] as const).map((role) =>
    Type.Literal(role),
  ),
);
export type SystemRole = 'Kube' | 'Discovery' | 'Proxy' | 'Auth' | 'Bot' | 'Node' | 'App' | 'Db';

/** The services of the control plane that join with the role Auth; each has bus permissions of its own. */
export const ControlPlaneService = Type.Union([
  Type.Literal('join-svc'),
  Type.Literal('resource-svc'),
  Type.Literal('inventory-svc'),
]);
export type ControlPlaneService = Static<typeof ControlPlaneService>;

/** PEM of a PKCS#10 request, ECDSA P-256. Only its public key is used, after its own signature was checked. */
const CertificateRequest = Type.String({ maxLength: 8192 });

/** nkey of the joiner's bus user (`U…`); its seed never leaves the joiner. */
const BusKey = Type.String({ pattern: '^U[A-Z2-7]{55}$' });

/** `POST /v1/join`, unauthenticated. */
export const JoinRequest = Type.Object(
  {
    method: Type.String({ maxLength: 40 }),
    token: Type.String({ minLength: 1, maxLength: 512 }),
    roles: Type.Array(Type.String({ maxLength: 40 }), { minItems: 1, maxItems: 8 }),
    hostname: Type.String({ maxLength: 253 }),
    /** Which service of the control plane the joiner is; for the role Auth only, which is nothing without it. */
    service: Type.Optional(Type.String({ maxLength: 40 })),
    csr: CertificateRequest,
    busKey: Type.Optional(BusKey),
    /** Hashes of the views the joiner means to read: its bus credential allows these and no others. */
    views: Type.Optional(Type.Array(Type.String({ pattern: '^[0-9a-f]{32}$' }), { maxItems: 16 })),
    /** Client-made UUID: a retry with the same one gets the same identity. */
    joinId: Type.String({ format: 'uuid' }),
    /** What the proof answers to, where the method has challenges; as it was got from `POST /v1/join/challenge`. */
    challenge: Type.Optional(Type.String({ maxLength: 100 })),
    /** What the method proves with; its form is the method's. Bounded by the size of the request. */
    proof: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  },
  { additionalProperties: false },
);
export type JoinRequest = Static<typeof JoinRequest>;

/** `POST /v1/join/challenge`, unauthenticated. */
export const ChallengeRequest = Type.Object(
  {
    method: Type.String({ maxLength: 40 }),
    /** SHA-256 of the public key (SPKI) that is to be certified, hex: the challenge is good for no other. */
    key: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  },
  { additionalProperties: false },
);
export type ChallengeRequest = Static<typeof ChallengeRequest>;

/** What a proof has to contain, once, until `expires` (RFC 3339). */
export const JoinChallenge = Type.Object({
  challenge: Type.String({ maxLength: 100 }),
  expires: Type.String(),
});
export type JoinChallenge = Static<typeof JoinChallenge>;

/** `POST /v1/renew`, with the current agent certificate. */
export const RenewRequest = Type.Object(
  {
    csr: CertificateRequest,
    busKey: Type.Optional(BusKey),
    views: Type.Optional(Type.Array(Type.String({ pattern: '^[0-9a-f]{32}$' }), { maxItems: 16 })),
  },
  { additionalProperties: false },
);
export type RenewRequest = Static<typeof RenewRequest>;

/**
 * Codes of refusals by which an identity has been taken from its agent: revoked, locked, or copied. Whoever is told so does not
 * join anew by itself. Any other refusal means that the control plane does not know the identity.
 */
export const endedIdentityCodes: readonly string[] = [
  'join.agent_revoked',
  'join.agent_locked',
  'join.generation_mismatch',
];

/** `GET /v1/agents/self`, by an agent: its identity holds, or the refusal says why it does not. */
export const SelfReply = Type.Object({ agentId: Type.String(), generation: Type.Integer({ minimum: 1 }) });
export type SelfReply = Static<typeof SelfReply>;

/** Path of a public address below which the bus is, as a WebSocket for whoever shows an agent's certificate. */
export const publicBusPath = '/v1/bus';

/** How to reach the bus. `jwt` is absent where the bus asks for no credential. */
export const BusAccess = Type.Object({
  servers: Type.Array(Type.String()),
  jwt: Type.Optional(Type.String()),
  ca: Type.Optional(Type.String()),
});
export type BusAccess = Static<typeof BusAccess>;

/**
 * Answer to a join or renewal. Certificates are PEM; `hostCa` and `userCa` are bundles, and `hostChain` is what a server sends
 * behind its certificate for whoever knows only the authority before (ADR 43). `trustRevision` counts changes of the trust.
 */
export const IssuedIdentity = Type.Object({
  agentId: Type.String(),
  clusterName: Type.String(),
  roles: Type.Array(Type.String()),
  generation: Type.Integer({ minimum: 1 }),
  certificate: Type.String(),
  hostCa: Type.String(),
  userCa: Type.String(),
  hostChain: Type.Optional(Type.String()),
  trustRevision: Type.Optional(Type.Integer({ minimum: 0 })),
  notAfter: Type.String(),
  bus: BusAccess,
});
export type IssuedIdentity = Static<typeof IssuedIdentity>;

/** `GET /v1/static_tokens`: the tokens of the configuration, by the SHA-256 of their values, hex. */
export const StaticTokensReply = Type.Object({
  tokens: Type.Array(Type.Object({ id: Type.String(), roles: Type.Array(Type.String()) })),
});
export type StaticTokensReply = Static<typeof StaticTokensReply>;

/**
 * `GET /v1/agents/by-token/:token`: who joined by a token, given by the SHA-256 of its name, hex. In order of their ids; more of them
 * `after` the last one unless `isLast`.
 */
export const AgentsOfTokenReply = Type.Object({
  agentIds: Type.Array(Type.String()),
  isLast: Type.Boolean(),
});
export type AgentsOfTokenReply = Static<typeof AgentsOfTokenReply>;

/** `POST /v1/agents/:id/revoke`: ends what an agent may do, at once. */
export const RevokeRequest = Type.Object(
  { message: Type.Optional(Type.String({ maxLength: 500 })) },
  { additionalProperties: false },
);
export type RevokeRequest = Static<typeof RevokeRequest>;

/**
 * What became of a revocation. `bus` is `told` when the bus has closed the agent's connections and takes its credentials no
 * more, `pending` when the bus could not be reached and will be told as soon as it can, `cannot-be-told` when this control plane
 * holds no key of the bus operator: credentials of the bus then end by themselves at `credentialsEnd`.
 */
export const RevokeReply = Type.Object({
  agentId: Type.String(),
  bus: Type.Union([Type.Literal('told'), Type.Literal('pending'), Type.Literal('cannot-be-told')]),
  credentialsEnd: Type.String(),
});
export type RevokeReply = Static<typeof RevokeReply>;

/** `POST /v1/auth/sign` by one who may create `host_cert`/`user_cert`, i.e. an admin; `POST /v1/certificates` by the user itself. */
export const SignRequest = Type.Object(
  {
    /** Absent at `/v1/certificates`: the caller's own name is used. */
    user: Type.Optional(Type.String({ maxLength: 253 })),
    csr: CertificateRequest,
    /** Seconds; cut to what the caller may have. */
    ttlSeconds: Type.Integer({ minimum: 60, maximum: 31_536_000 }),
  },
  { additionalProperties: false },
);
export type SignRequest = Static<typeof SignRequest>;

/** A short-lived user certificate with what is needed to trust the edge. */
export const SignedCertificate = Type.Object({
  user: Type.String(),
  clusterName: Type.String(),
  certificate: Type.String(),
  hostCa: Type.String(),
  notAfter: Type.String(),
});
export type SignedCertificate = Static<typeof SignedCertificate>;

/** `GET /v1/status`, authenticated. */
export const StatusReply = Type.Object({
  clusterName: Type.String(),
  version: Type.String(),
  /** Of every host CA that is trusted: two while it is being rotated. */
  caPins: Type.Array(Type.String()),
  /** For people and bots. */
  rotation: Type.Optional(RotationView),
});
export type StatusReply = Static<typeof StatusReply>;

/** `GET /v1/me`: the caller as the policy of this moment sees it. */
export const MeReply = Type.Object({
  user: Type.String(),
  clusterName: Type.String(),
  roles: Type.Array(Type.String()),
  traits: Type.Record(Type.String(), Type.Array(Type.String())),
  kubernetesUsers: Type.Array(Type.String()),
  kubernetesGroups: Type.Array(Type.String()),
});
export type MeReply = Static<typeof MeReply>;

/** `GET /v1/trust`, public: the authorities of the cluster. Who knows a pin can check them; nobody should believe them otherwise. */
export const TrustReply = Type.Object({
  clusterName: Type.String(),
  /** PEM bundles. */
  hostCa: Type.String(),
  userCa: Type.String(),
  /** `sha256:<64 hex>` of each host CA's public key. */
  caPins: Type.Array(Type.String()),
  /** Host CAs that are trusted no more and certified their successor: by them a joiner with an old pin finds the new one. */
  formerHostCa: Type.Optional(Type.String()),
  /** The same trust as `TrustMessage` tells it. */
  statements: Type.Optional(Type.Array(Type.String())),
});
export type TrustReply = Static<typeof TrustReply>;
