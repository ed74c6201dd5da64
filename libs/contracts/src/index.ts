export { apiFront, type ApiService } from './api-routes.ts';
export * from './bus/messages.ts';
export { sealEpochOf } from './bus/seal-epoch.ts';
export {
  type DataOf,
  defineEvent,
  type EventContext,
  type EventMeta,
  type EventOf,
  type EventType,
  eventTypeNamed,
  InvalidEvent,
  NewerEvent,
  type NewEvent,
  type StoredEvent,
  UnknownEvent,
  type Upcaster,
} from './define-event.ts';
export {
  DropParkedQuery,
  eventContexts,
  EventsPage,
  EventsQuery,
  EventView,
  ParkedMessageDetail,
  ParkedMessagesReply,
  ParkedMessageView,
} from './events/events-api.ts';
export { ParkedMessageDropped } from './events/parked-events.ts';
export { AgentLost, AgentSeen } from './inventory/inventory-events.ts';
export {
  AgentReply,
  AgentsReply,
  AgentView,
  InventoryStatus,
  PingReply,
  KubeServersReply,
  KubeServerView,
  ServedClustersReply,
  ServedClusterView,
} from './inventory/inventory-api.ts';
export { accountOf, arnMatches } from './aws-arn-pattern.ts';
export { callerIdentity, signedHeadersOf } from './join/caller-identity.ts';
export { joinRequestDigest } from './join/join-request-digest.ts';
export {
  BusAccess,
  ChallengeRequest,
  ControlPlaneService,
  endedIdentityCodes,
  IssuedIdentity,
  JoinChallenge,
  JoinRequest,
  MeReply,
  publicBusPath,
  RenewRequest,
  AgentsOfTokenReply,
  StaticTokensReply,
  RevokeReply,
  RevokeRequest,
  SelfReply,
  SignedCertificate,
  SignRequest,
  StatusReply,
  SystemRole,
  TrustReply,
} from './join/join-api.ts';
export {
  ChangesQuery,
  ChangesReply,
  FieldChange,
  MomentQuery,
  ResourceChange,
  ResourceHistoryQuery,
  RestoreReply,
  RestoreRequest,
  secretMask,
} from './history/history-api.ts';
export {
  AgentCopied,
  AgentJoined,
  AgentRenewed,
  AgentRevoked,
  AuthorityCreated,
  JoinRefused,
  SessionStarted,
} from './join/join-events.ts';
export {
  FollowedReply,
  FollowedRequest,
  RotateRequest,
  RotationView,
  TrustMessage,
} from './join/rotation-api.ts';
export {
  AuthorityRotationAdvanced,
  AuthorityRotationEnded,
  AuthorityRotationStarted,
  RotationMode,
  RotationPhase,
} from './join/rotation-events.ts';
export {
  AuditedRequest,
  AuditedRequestRow,
  AuditedRequestsQuery,
  AuditedRequestsReply,
  PolicyAtQuery,
  PolicyAtReply,
} from './kube/audit-api.ts';
export {
  auditFacts,
  carrierOf,
  ClusterServed,
  KubeRequestAudited,
  KubeSessionEnded,
  KubeSessionRecorded,
  KubeSessionStarted,
  KubeStreamEnded,
} from './kube/kube-events.ts';
export {
  RecordedSessionHead,
  RecordingContent,
  RecordingPart,
  recordingPartBytes,
  RecordingProgress,
  RecordingRef,
  RecordingRow,
  RecordingsQuery,
  RecordingsReply,
  RecordingUpload,
  RecordingView,
} from './kube/recordings-api.ts';
export {
  type DigestPart,
  digestText,
  digestWith,
  policyKinds,
  policySelector,
} from './kube/policy-digest.ts';
export {
  PublicResource,
  ResourceDeleted,
  ResourceUpserted,
  ViewClosed,
  ViewOpened,
  ViewRekeyed,
} from './resource/resource-events.ts';
export { canonicalSelector, everything, LabelPatterns, Selector, selectorHash } from './selector.ts';
export {
  agentSubjects,
  anyAgent,
  anyEdge,
  commandSubjects,
  edgeSubjects,
  eventSubject,
  fromSubjectToken,
  liveViewSubject,
  parseEventSubject,
  partitionOf,
  partitions,
  routesSubject,
  subjectToken,
  trustSubject,
  type ViewPlace,
  viewSubject,
  viewSubjects,
  wakeSubject,
  workConsumer,
  workGroupSubjects,
  workSubject,
} from './subjects.ts';
export { maySeeSecrets, viewKindsFor } from './view-kinds.ts';
export {
  WorkDelivery,
  WorkOffer,
  WorkOfferReply,
  WorkSettle,
  WorkStatus,
  WorkStatusRequest,
  WorkTake,
  WorkTakeReply,
  WorkTaskStatus,
} from './work/work-messages.ts';
export {
  type DocumentLimits,
  DocumentTooLarge,
  InvalidDocument,
  NoDocuments,
  readDocuments,
} from './documents.ts';
export {
  decodeKubeconfig,
  formatKubeconfig,
  InvalidKubeconfig,
  type Kubeconfig,
  type KubeconfigOptions,
  parseKubeconfig,
} from './kubeconfig.ts';
export * from './discovery/index.ts';
export { type DiscoveryConfigSpec, discoveryConfigKind } from './kinds/discovery-config.ts';
export { kindNamed, kinds } from './kinds/index.ts';
export {
  type AwsCluster,
  type AzureCluster,
  type DynamicLabel,
  type GcpCluster,
  kubeClusterKind,
  type KubeClusterSpec,
} from './kinds/kube-cluster.ts';
export { checkLabels, isReservedLabel, originLabel, origins } from './kinds/labels.ts';
export {
  hasSecretName,
  isMaskedName,
  maskedName,
  tokenKind,
  tokenRoles,
  type TokenSpec,
} from './kinds/token.ts';
export { type AwsRule } from './kinds/token-aws.ts';
export { type KubernetesJoin } from './kinds/token-kubernetes.ts';
export { userKind, type UserSpec } from './kinds/user.ts';
export {
  lockedToken,
  lockKind,
  type LockSpec,
  type LockTarget,
  type LockTargetField,
  lockTargetOf,
  lockTargets,
  tokenIdOf,
} from './kinds/lock.ts';
export { type AddressClass, addressClass, mayConnect } from './network-address.ts';
export {
  defineKind,
  isLabelKey,
  type Kind,
  type KindContext,
  type KindDeclaration,
  type Metadata,
  type Resource,
  type ResourceDocument,
} from './kinds/define-kind.ts';
export { Fields, InvalidResource } from './kinds/fields.ts';
export {
  isClusterWideResource,
  isCoreResource,
  isNamespacedResource,
  type KubeKind,
  kubeKinds,
  kubeVerbs,
} from './kinds/kube-kinds.ts';
export { type Role, roleKind, type RoleSpec } from './kinds/role.ts';
export { type RoleConditions, type RoleLabels } from './kinds/role-conditions.ts';
export { type RecordingMode, type RoleOptions } from './kinds/role-options.ts';
export { type KubernetesResource } from './kinds/role-resources.ts';
export { type RoleRule, ruleVerbs } from './kinds/role-rules.ts';
export { isPrincipalName } from './kinds/role-values.ts';
export { type RoleVersion, roleVersions } from './kinds/role-version.ts';
export {
  compileLabelExpression,
  InvalidExpression,
  type LabelExpression,
} from './language/label-expression.ts';
export {
  compilePattern,
  InvalidPattern,
  isLiteral,
  isRegex,
  type Matcher,
  quoteRegex,
} from './language/pattern.ts';
export {
  InvalidTemplate,
  isTemplate,
  parseTemplate,
  type Template,
  type Traits,
} from './language/template.ts';
