export {
  compileLabels,
  compileSelector,
  type LabelMatch,
  type LabelMatcher,
  type Labels,
} from './label-matcher.ts';
export {
  compileFilter,
  type FilterEntry,
  type ObjectFilter,
  type ResourceFilter,
  UnknownFilter,
} from './resource-filter.ts';
export {
  type AccessCluster,
  type AccessLock,
  type AccessUser,
  type DenyCode,
  type ImpersonationRequest,
  type KubeAllow,
  type KubeAttributes,
  type KubeDecision,
  type KubeDeny,
  type MissingPiece,
} from './types.ts';
export { lockText } from './denials.ts';
export { explainMissing, maxKubeConnections, maxSessionTtlMs, mayRule } from './admin-rules.ts';
export {
  decideKubeAccess,
  type KubeAccessRequest,
  kubePrincipals,
  mayReachCluster,
} from './decide-access.ts';
export { type Holder, kubeGiftBeyond, type KubeGift, mayEscalate } from './escalation/kube-gifts.ts';
export { type ExplainedRole, explainKubeAccess, type KubeExplanation } from './explain-access.ts';
export { type ExplainedRule } from './explained-rules.ts';
export { type NearMiss, type RulePart } from './near-misses.ts';
export { type RecordedRequest, type Replay, replayRequest, type ReplayPolicy } from './replay-request.ts';
export { ruleVerb, type RuleVerb } from './rule-verb.ts';
export {
  type AccessReview,
  type ReviewedAttributes,
  type ReviewedPath,
  type ReviewedResource,
  reviewSelfSubjectAccess,
} from './reviews.ts';
export {
  intersectRules,
  type ReviewedPathRule,
  type ReviewedRule,
  reviewSelfSubjectRules,
  type RulesReview,
  type SelfSubjectRules,
} from './rules-review.ts';
export { type KubeRule } from './role-versions.ts';
export { type Named, userNameOf } from './user-name.ts';
export { type ClusterReport, isAbout, visibleLabels } from './visible-labels.ts';
