import { compilePattern } from '@postern/contracts';
import { isOpenPath } from './api-paths.ts';
import { compilePolicy } from './compile-policy.ts';
import { type KubeAccessRequest, pathQuery, refuseCluster } from './decide-access.ts';
import { coversRule, takesFrom } from './escalation/covering.ts';
import { KubeRules } from './kube-resource-rules.ts';
import type { KubeRule } from './role-versions.ts';
import { ruleVerb } from './rule-verb.ts';
import type { KubeDeny } from './types.ts';

/** A rule of `status.resourceRules` of a SelfSubjectRulesReview. */
export interface ReviewedRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** A rule of `status.nonResourceRules`. */
export interface ReviewedPathRule {
  readonly verbs: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}

/** `status` of a SelfSubjectRulesReview. */
export interface RulesReview {
  readonly resourceRules: readonly ReviewedRule[];
  readonly nonResourceRules: readonly ReviewedPathRule[];
  readonly incomplete: boolean;
  readonly evaluationError?: string;
}

/** The rules that apply in one namespace, for a SelfSubjectRulesReview. */
export interface SelfSubjectRules {
  readonly allowed: readonly KubeRule[];
  readonly denied: readonly KubeRule[];
  /** Whether the roles give different users or groups, so that not every rule goes with all of them. */
  readonly areMixed: boolean;
  /** Set when the cluster itself is refused: then there are no rules. */
  readonly refusal?: KubeDeny;
}

/** What the rules of a user's roles say about one namespace and the objects of the whole cluster. Patterns stay patterns. */
export function reviewSelfSubjectRules(
  { user, roles, cluster }: Omit<KubeAccessRequest, 'request' | 'impersonate'>,
  namespace: string,
): SelfSubjectRules {
  const policy = compilePolicy(user, roles);
  const onCluster = policy.on(cluster.labels);
  const refusal = refuseCluster(policy, onCluster, cluster);
  if (refusal) return { allowed: [], denied: [], areMixed: false, refusal };
  const applies = (rule: KubeRule) =>
    rule.namespace === '' || rule.namespace === '*' || compilePattern(rule.namespace)(namespace);
  const given = onCluster.roles.map((role) => JSON.stringify(onCluster.principals([role])));
  return {
    allowed: onCluster.roles.flatMap((role) => role.allow.rules).filter(applies),
    denied: policy.roles.flatMap((role) => role.deny.rules).filter(applies),
    areMixed: new Set(given).size > 1,
  };
}

/**
 * What the user may really do: what our rules and those of the API server allow both. A pattern of names stands among
 * `resourceNames` as it is written. What cannot be said in such a list makes it incomplete, with a reason.
 */
export function intersectRules(ours: SelfSubjectRules, theirs: RulesReview): RulesReview {
  const allowed = ours.allowed.filter((rule) => !ours.denied.some((denied) => coversRule(denied, rule)));
  const resourceRules = [
    ...(ours.refusal ? [] : ownReviews(theirs.resourceRules)),
    ...allowed.flatMap((rule) => theirs.resourceRules.flatMap((other) => both(rule, other))),
  ];
  const isLimited = ours.denied.some((denied) => allowed.some((rule) => takesFrom(denied, rule)));
  const reasons = [
    ...(isLimited ? ['deny rules of your Teleport roles take something from these rules'] : []),
    ...(ours.areMixed
      ? [
          'your Teleport roles give different Kubernetes users or groups, so that a rule may not go with all of them',
        ]
      : []),
    ...(theirs.evaluationError ? [theirs.evaluationError] : []),
  ];
  return {
    resourceRules: [...new Map(resourceRules.map((rule) => [JSON.stringify(rule), rule])).values()],
    nonResourceRules: pathRules(ours, theirs.nonResourceRules),
    incomplete: theirs.incomplete || reasons.length > 0,
    ...(reasons.length > 0 ? { evaluationError: reasons.join('; ') } : {}),
  };
}

const own = /^selfsubject(?:access|rules)?reviews$/;

const readVerbs = ['get', 'list', 'watch'];
const kubernetesVerbs = [...readVerbs, 'create', 'update', 'patch', 'delete', 'deletecollection'];

/** Subresources that a rule for every resource of the API server includes, and that people ask about. */
const subresources: Readonly<Record<string, readonly string[]>> = {
  pods: 'log status exec attach portforward eviction ephemeralcontainers proxy'.split(' '),
  services: ['status', 'proxy'],
  nodes: ['status', 'proxy'],
  serviceaccounts: ['token'],
};

function both(rule: KubeRule, theirs: ReviewedRule): ReviewedRule[] {
  const names = namesOfBoth(rule.name, theirs.resourceNames ?? []);
  if (names === undefined) return [];
  const groups = (theirs.apiGroups ?? []).flatMap((group) => narrower(rule.apiGroup, group));
  return groups.flatMap((apiGroup) =>
    (theirs.resources ?? [])
      .flatMap((resource) => resourcesOfBoth(rule, resource))
      .flatMap((resource) => {
        const verbs = verbsOfBoth(rule, { apiGroup, resource, verbs: theirs.verbs });
        if (verbs.length === 0) return [];
        return [
          {
            verbs,
            apiGroups: [apiGroup],
            resources: [resource],
            ...(names.length > 0 ? { resourceNames: names } : {}),
          },
        ];
      }),
  );
}

/** The narrower of a pattern of ours and a text of theirs, where only `*` is a pattern. */
function narrower(pattern: string, text: string): string[] {
  if (text === '*') return [pattern];
  return pattern === '*' || compilePattern(pattern)(text) ? [text] : [];
}

function namesOfBoth(pattern: string, names: readonly string[]): readonly string[] | undefined {
  if (pattern === '*') return names;
  if (names.length === 0) return [pattern];
  const fitting = names.filter((name) => compilePattern(pattern)(name));
  return fitting.length > 0 ? fitting : undefined;
}

function resourcesOfBoth({ kind }: KubeRule, resource: string): string[] {
  const [type = '', subresource] = resource.split('/');
  if (type === '*' && subresource === undefined) {
    const known = Object.hasOwn(subresources, kind) ? subresources[kind]! : [];
    return [kind, ...known.map((each) => `${kind}/${each}`)];
  }
  if (type === '*') return [`${kind}/${subresource}`];
  return kind === '*' || kind === type ? [resource] : [];
}

interface Offered {
  readonly apiGroup: string;
  readonly resource: string;
  readonly verbs: readonly string[];
}

/** The verbs of theirs that our rule allows for the resource. For all of both it is `*`. */
function verbsOfBoth(rule: KubeRule, { apiGroup, resource, verbs }: Offered): string[] {
  const isEverything = verbs.includes('*');
  if (isEverything && rule.verbs.includes('*')) return ['*'];
  const [type = '', subresource = ''] = resource.split('/');
  return (isEverything ? kubernetesVerbs : verbs).filter((verb) => {
    const needed = ruleVerb({ apiGroup, resource: type, subresource, verb }).allow;
    return rule.verbs.includes('*') || rule.verbs.includes(needed);
  });
}

/** Discovery, version and health need no rule of ours; other paths one for everything. */
function pathRules(
  { allowed, denied }: SelfSubjectRules,
  theirs: readonly ReviewedPathRule[],
): ReviewedPathRule[] {
  const query = pathQuery({ verb: 'get' });
  const isFree =
    new KubeRules(allowed, 'allow').matches(query) && !new KubeRules(denied, 'deny').matches(query);
  if (isFree) return [...theirs];
  return theirs.flatMap(({ verbs, nonResourceURLs = [] }) => {
    const paths = nonResourceURLs.filter((path) =>
      isOpenPath({ verb: 'get', path: path.replace(/\/\*$/, '') }),
    );
    const reading = verbs.includes('*')
      ? ['get', 'head']
      : verbs.filter((verb) => verb === 'get' || verb === 'head');
    return paths.length > 0 && reading.length > 0 ? [{ verbs: reading, nonResourceURLs: paths }] : [];
  });
}

/** Reviews of oneself need no rule of ours. */
function ownReviews(theirs: readonly ReviewedRule[]): ReviewedRule[] {
  return theirs.flatMap((rule) => {
    const resources = (rule.resources ?? []).filter((resource) => own.test(resource));
    const isCreating = rule.verbs.includes('create') || rule.verbs.includes('*');
    return resources.length > 0 && isCreating ? [{ ...rule, verbs: ['create'], resources }] : [];
  });
}
