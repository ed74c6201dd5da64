import { isRegex } from '../language/pattern.ts';
import { isTemplate } from '../language/template.ts';
import { type Fields, InvalidResource } from './fields.ts';
import { isCoreResource, isNamespacedResource, kubeKinds, kubeVerbs } from './kube-kinds.ts';
import { checkPattern } from './role-values.ts';
import type { RoleVersion } from './role-version.ts';

/** A rule of `kubernetes_resources`: these verbs on these objects. Its meaning depends on the role's version. */
export interface KubernetesResource {
  /** Singular up to v7 (`pod`), plural from v8 (`pods`), or `*`. */
  readonly kind: string;
  /** From v8 only; a pattern, empty for the core group. */
  readonly api_group?: string;
  /** A pattern; absent for objects of the whole cluster. */
  readonly namespace?: string;
  /** A pattern. */
  readonly name: string;
  /** No verbs: the rule never matches. */
  readonly verbs: readonly string[];
}

/** What a role that selects clusters, but lists no resources, grants in its version. */
export function defaultResources(version: RoleVersion): KubernetesResource[] {
  const everything = { namespace: '*', name: '*', verbs: ['*'] };
  switch (version) {
    case 'v3':
    case 'v4':
    case 'v5':
      return [{ kind: 'pod', ...everything }];
    case 'v6':
      return [];
    case 'v7':
      return [{ kind: '*', ...everything }];
    case 'v8':
      return [{ kind: '*', api_group: '*', ...everything }];
  }
}

// Literal names and `prefix*` are looked up, regular expressions are tried one after the other at about 10 µs each. Two
// hundred keep the worst decision near 2 ms; ten thousand would stop the edge for a tenth of a second per request.
const maxRegexes = 200;

/** Validates `kubernetes_resources` by the rules of the role's version. */
export function readResources(fields: Fields, version: RoleVersion): KubernetesResource[] {
  const resources = fields.mappings('kubernetes_resources').map((item) => readResource(item, version));
  const regexes = resources
    .flatMap(({ name, namespace = '', api_group: group = '' }) => [name, namespace, group])
    .filter(isRegex);
  if (regexes.length > maxRegexes) {
    const where = fields.at('kubernetes_resources');
    throw InvalidResource(
      `${where} holds more than ${maxRegexes} regular expressions: write names and * patterns instead`,
    );
  }
  return resources;
}

function readResource(item: Fields, version: RoleVersion): KubernetesResource {
  const written = item.strings('verbs') ?? [];
  const apiGroup = item.string('api_group');
  const namespace = item.string('namespace');
  const resource: KubernetesResource = {
    kind: item.string('kind') ?? '',
    ...(apiGroup ? { api_group: apiGroup } : {}),
    ...(namespace ? { namespace } : {}),
    name: item.string('name') ?? '',
    verbs: written.length === 0 && isUpToV6(version) ? ['*'] : written,
  };
  item.end();
  checkVerbs(resource.verbs);
  if (isUpToV6(version)) checkUpToV6(resource, version);
  else if (version === 'v7') checkV7(resource);
  else checkV8(resource);
  if (resource.name === '') throw InvalidResource('KubernetesResource must include Name');
  for (const field of ['api_group', 'namespace', 'name'] as const) {
    if (resource[field] !== undefined) checkPattern(resource[field], item.at(field));
  }
  return resource;
}

function isUpToV6(version: RoleVersion): boolean {
  return version === 'v3' || version === 'v4' || version === 'v5' || version === 'v6';
}

function checkVerbs(verbs: readonly string[]): void {
  for (const verb of verbs) {
    if (verb !== '*' && !kubeVerbs.includes(verb) && !isTemplate(verb)) {
      const supported = ['*', ...kubeVerbs].join(' ');
      throw InvalidResource(
        `KubernetesResource verb "${short(verb)}" is invalid or unsupported; Supported: [${supported}]`,
      );
    }
    if (verb === '*' && verbs.length > 1) {
      throw InvalidResource('KubernetesResource verb "*" cannot be used with other verbs');
    }
  }
}

function checkUpToV6(
  { kind, api_group: apiGroup, namespace, verbs }: KubernetesResource,
  version: RoleVersion,
): void {
  if (kind !== 'pod') {
    throw InvalidResource(
      `KubernetesResource kind "${short(kind)}" is not supported in role version "${version}". Upgrade the role version to "v8"`,
    );
  }
  refuseApiGroup(apiGroup, version);
  if (verbs.length !== 1 || verbs[0] !== '*') {
    throw InvalidResource(
      `Role version "${version}" only supports "*" verb. Upgrade the role version to "v8"`,
    );
  }
  if (!namespace) throw InvalidResource(`KubernetesResource kind "${kind}" must include Namespace`);
}

function checkV7({ kind, api_group: apiGroup, namespace }: KubernetesResource): void {
  refuseApiGroup(apiGroup, 'v7');
  const known = Object.hasOwn(kubeKinds, kind) ? kubeKinds[kind] : undefined;
  if (kind !== '*' && !known) {
    const supported = ['*', ...Object.keys(kubeKinds)].join(' ');
    throw InvalidResource(
      `KubernetesResource kind "${short(kind)}" is invalid or unsupported; Supported: [${supported}]`,
    );
  }
  if (!known?.isClusterWide && !namespace) {
    throw InvalidResource(`KubernetesResource kind "${kind}" must include Namespace`);
  }
}

function checkV8({ kind, api_group: apiGroup = '', namespace }: KubernetesResource): void {
  if (kind === '') throw InvalidResource('KubernetesResource kind is required in role version "v8"');
  const singular = Object.hasOwn(kubeKinds, kind) ? kubeKinds[kind] : undefined;
  if (singular && (apiGroup === '*' || apiGroup === singular.apiGroup)) {
    throw InvalidResource(
      `KubernetesResource kind "${kind}" is invalid. Please use plural name for role version "v8"`,
    );
  }
  if (apiGroup === '' && !isCoreResource(kind)) {
    throw InvalidResource(
      `KubernetesResource api_group is required for resource "${short(kind)}" in role version "v8"`,
    );
  }
  if (isNamespacedResource(apiGroup, kind) && !namespace) {
    throw InvalidResource(`KubernetesResource "${kind}" must include Namespace`);
  }
}

function refuseApiGroup(apiGroup: string | undefined, version: RoleVersion): void {
  if (!apiGroup) return;
  const quoted = `"${short(apiGroup)}" is not supported in role version "${version}"`;
  throw InvalidResource(`API Group ${quoted}. Upgrade the role version to "v8"`);
}

function short(text: string): string {
  return text.slice(0, 100);
}
