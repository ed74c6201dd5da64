export {
  type Assertion,
  type AssertionAudience,
  assertionHeader,
  signAssertion,
  verifyAssertion,
} from './assertion.ts';
export { type Authority, certifySuccessor, createAuthority, type NewAuthority } from './authority.ts';
export { type CertificateSpec, issueCertificate, NotIssuable } from './certificate.ts';
export { claimedKey, InvalidCsr, makeCsr, readCsr } from './csr.ts';
export {
  type Grant,
  grantHeader,
  type GrantSigner,
  type GrantUse,
  signGrant,
  type VerifiedGrant,
  verifyGrant,
} from './grant.ts';
export {
  type CurrentIdentity,
  HeldIdentity,
  type IdentityListener,
  type IdentityMaterial,
} from './held-identity.ts';
export {
  formatIdentityFile,
  type IdentityFile,
  InvalidIdentityFile,
  parseIdentityFile,
  readIdentityFile,
  writeIdentityFile,
} from './identity-file.ts';
export { InvalidStatement, type Peer, type StatementSigner } from './jws.ts';
export { generateKeyPair, keyFingerprint, type KeyPair, publicKeyOf } from './keys.ts';
export {
  authorityFor,
  type CertificateUse,
  claimsOf,
  type Principal,
  principalOf,
  typeForRoles,
  UntrustedCertificate,
} from './principal.ts';
export {
  CannotUnseal,
  createSealer,
  InvalidKeyFile,
  newKeyText,
  openSealer,
  type Sealer,
  sealerFrom,
} from './seal.ts';
export {
  ensureSecureDirectory,
  MissingFile,
  readSecretFile,
  type SecretFileRules,
  UnsafeFile,
  writeSecureFile,
} from './secure-file.ts';
export {
  checkClusterName,
  InvalidName,
  parseSpiffeId,
  type PrincipalType,
  spiffeId,
  type SpiffeName,
} from './spiffe-id.ts';
export {
  type AcceptedClients,
  type ClientTls,
  clientTls,
  type ExpectedServer,
  followIdentity,
  peerOf,
  serverCheck,
  serverContext,
  serverTls,
  type ServerTlsOptions,
} from './tls.ts';
export {
  caPin,
  droppedAuthorities,
  InvalidPem,
  isIssuedBy,
  issuerPin,
  readCertificate,
  splitPem,
  type TrustBundle,
} from './trust.ts';
export { readTrustNews, signTrustNews, type TrustNews } from './trust-news.ts';
export {
  InvalidViewProof,
  type ProvedAsker,
  signViewProof,
  type SignedProof,
  verifyViewProof,
} from './view-proof.ts';
export {
  type KeyRecipient,
  newUnwrapping,
  newViewKey,
  NotSealedForThis,
  openFromView,
  sealForView,
  type SealedPlace,
  type Unwrapping,
  type ViewKeys,
  wrapViewKeys,
} from './view-sealing.ts';
