import {
  isTemplate,
  type KubernetesResource,
  kubeKinds,
  kubeVerbs,
  type RoleVersion,
  type Traits,
} from '@postern/contracts';
import { expandPattern, expandText } from './templates.ts';

/** A rule of `kubernetes_resources` in the form of role version v8, which every older version is converted to. */
export interface KubeRule {
  /** Plural, or `*`. Never a pattern. */
  readonly kind: string;
  /** A pattern. */
  readonly apiGroup: string;
  /** A pattern; empty for objects of the whole cluster only, `*` for those and all others. */
  readonly namespace: string;
  /** A pattern. */
  readonly name: string;
  /** `['*']`, or verbs. None: the rule never matches. */
  readonly verbs: readonly string[];
}

/** Matches every object that lives in a namespace, and none of the whole cluster's. */
const anyNamespace = '^.+$';
const everything: KubeRule = { kind: '*', apiGroup: '*', namespace: '*', name: '*', verbs: ['*'] };

/** What a role of some version allows, as v8 rules. Call it only for a role that selects clusters. */
export function allowRules(
  version: RoleVersion,
  resources: readonly KubernetesResource[],
  traits: Traits,
): KubeRule[] {
  const expanded = resources.flatMap((resource) => expand(resource, traits, 'allow'));
  switch (version) {
    case 'v3':
    case 'v4':
    case 'v5':
    case 'v6':
      return podRules(expanded);
    case 'v7':
      return expanded.flatMap((rule) => fromV7(rule));
    case 'v8':
      return expanded;
  }
}

/**
 * What a role of some version denies, as v8 rules. Versions up to v7 cannot name an API group, so what they deny is denied
 * in every group that has such a resource: `ingresses` of `extensions` as well as those of `networking.k8s.io`.
 */
export function denyRules(
  version: RoleVersion,
  resources: readonly KubernetesResource[],
  traits: Traits,
): KubeRule[] {
  const expanded = resources.flatMap((resource) => expand(resource, traits, 'deny'));
  if (version === 'v8') return expanded;
  return expanded.flatMap((rule) => fromV7(rule)).map((rule) => ({ ...rule, apiGroup: '*' }));
}

function expand(resource: KubernetesResource, traits: Traits, side: 'allow' | 'deny'): KubeRule[] {
  const { kind, api_group: group = '', namespace = '', name } = resource;
  const patterns = (text: string) =>
    side === 'allow' ? expandPattern(text, traits) : expandText(text, traits);
  const verbs = resource.verbs.flatMap((verb) => expandVerb(verb, traits, side));
  return patterns(namespace).flatMap((namespace) =>
    patterns(name).flatMap((name) =>
      patterns(group).map((apiGroup) => ({ kind, apiGroup, namespace, name, verbs })),
    ),
  );
}

/** A trait may name a verb, but `*` only to deny. */
function expandVerb(verb: string, traits: Traits, side: 'allow' | 'deny'): string[] {
  if (!isTemplate(verb)) return [verb];
  return expandText(verb, traits).filter(
    (text) => kubeVerbs.includes(text) || (side === 'deny' && text === '*'),
  );
}

/**
 * Up to v6 a role restricts pods only: whatever it says about them, every other kind it knows is free, with every verb by
 * its name. The verb `*` would include the proxy of nodes, and with it a shell in the very pods that the role keeps apart.
 */
function podRules(pods: readonly KubeRule[]): KubeRule[] {
  const [only] = pods;
  if (pods.length === 1 && only!.namespace === '*' && only!.name === '*') return [everything];
  const others = Object.values(kubeKinds).filter(({ plural }) => plural !== 'pods');
  return [
    ...pods.flatMap((rule) => fromV7(rule)),
    ...others.map(({ plural, apiGroup }) => ({ ...everything, kind: plural, apiGroup, verbs: kubeVerbs })),
  ];
}

function fromV7(rule: KubeRule): KubeRule[] {
  if (rule.kind === '*') return [{ ...rule, apiGroup: '*' }, ...clusterWideRules(rule)];
  const kind = kubeKinds[rule.kind];
  if (!kind) return [];
  if (rule.kind === 'namespace') return namespaceRules(rule);
  const namespace = kind.isClusterWide ? '' : rule.namespace;
  return [{ ...rule, kind: kind.plural, apiGroup: kind.apiGroup, namespace }];
}

/** In v7 a namespace stands for everything in it, and for itself. */
function namespaceRules(rule: KubeRule): KubeRule[] {
  const namespace = rule.name === '*' ? anyNamespace : rule.name;
  return [
    { ...rule, kind: '*', apiGroup: '*', namespace, name: '*' },
    { ...rule, kind: 'namespaces', apiGroup: '', namespace: '' },
  ];
}

/**
 * In v7 a rule for every kind in some namespaces also covers the kinds that have no namespace, again
 * with every verb by its name and not with `*`: who has the proxy of nodes has every namespace.
 */
function clusterWideRules(rule: KubeRule): KubeRule[] {
  if (rule.namespace === '*') return [];
  const verbs = rule.verbs.includes('*') ? kubeVerbs : rule.verbs;
  return Object.values(kubeKinds)
    .filter(({ plural, isClusterWide }) => isClusterWide && plural !== 'namespaces')
    .map(({ plural, apiGroup }) => ({ ...rule, kind: plural, apiGroup, namespace: '', verbs }));
}
