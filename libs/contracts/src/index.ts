export { apiFront, type ApiService } from './api-routes.ts';
export {
  ClusterHealth,
  FactBatch,
  FactMessage,
  Heartbeat,
  OpenViewReply,
  OpenViewRequest,
  RoutesReply,
  ServedCluster,
  ServedReport,
  SnapshotPage,
  SnapshotRequest,
  ViewEntry,
} from './bus/messages.ts';
export {
  type DataOf,
  defineEvent,
  type EventContext,
  type EventMeta,
  type EventOf,
  type EventType,
  InvalidEvent,
  type NewEvent,
  type StoredEvent,
  type Upcaster,
} from './define-event.ts';
export { AgentLost, AgentSeen } from './inventory/inventory-events.ts';
export {
  AgentsReply,
  AgentView,
  InventoryStatus,
  ServedClustersReply,
  ServedClusterView,
} from './inventory/inventory-api.ts';
export {
  BusAccess,
  IssuedIdentity,
  JoinRequest,
  MeReply,
  RenewRequest,
  SignedCertificate,
  SignRequest,
  StatusReply,
  SystemRole,
  TrustReply,
} from './join/join-api.ts';
export {
  AgentJoined,
  AgentRenewed,
  AuthorityCreated,
  JoinRefused,
  SessionStarted,
} from './join/join-events.ts';
export { ClusterServed, KubeRequestAudited } from './kube/kube-events.ts';
export {
  PublicResource,
  ResourceDeleted,
  ResourceUpserted,
  ViewClosed,
  ViewOpened,
} from './resource/resource-events.ts';
export { canonicalSelector, everything, LabelPatterns, Selector, selectorHash } from './selector.ts';
export {
  agentSubjects,
  anyAgent,
  commandSubjects,
  eventSubject,
  fromSubjectToken,
  liveViewSubject,
  partitionOf,
  partitions,
  routesSubject,
  subjectToken,
  viewSubject,
  wakeSubject,
} from './subjects.ts';
export { viewKindsFor } from './view-kinds.ts';
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
export { type AddressClass, addressClass } from './network-address.ts';
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
export { type RoleOptions } from './kinds/role-options.ts';
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
