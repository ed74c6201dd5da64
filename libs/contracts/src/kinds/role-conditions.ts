import { isLabelKey } from './define-kind.ts';
import { type Fields, InvalidResource } from './fields.ts';
import { compileLabelExpression } from '../language/label-expression.ts';
import { defaultResources, type KubernetesResource, readResources } from './role-resources.ts';
import { type RoleRule, readRules } from './role-rules.ts';
import { checkPattern, checkPrincipal } from './role-values.ts';
import type { RoleVersion } from './role-version.ts';

/** Patterns by label key: one pattern, or a list of which any may match. */
export type RoleLabels = Readonly<Record<string, string | readonly string[]>>;

/** One side of a role. An absent field says nothing: it allows nothing, and denies nothing. */
export interface RoleConditions {
  readonly kubernetes_labels?: RoleLabels;
  /** Predicate language; with labels on the allow side both must match, on the deny side either. */
  readonly kubernetes_labels_expression?: string;
  readonly kubernetes_groups?: readonly string[];
  readonly kubernetes_users?: readonly string[];
  readonly kubernetes_resources?: readonly KubernetesResource[];
  readonly rules?: readonly RoleRule[];
}

/** Which side of a role the conditions stand on. */
export type RoleSide = 'allow' | 'deny';

/** Fields for protocols that Postern does not serve. Kept as written, so that a file round-trips; they grant nothing. */
const passive = [
  'account_assignments',
  'app_labels',
  'app_labels_expression',
  'aws_role_arns',
  'azure_identities',
  'cluster_labels',
  'cluster_labels_expression',
  'db_labels',
  'db_labels_expression',
  'db_names',
  'db_permissions',
  'db_roles',
  'db_service_labels',
  'db_service_labels_expression',
  'db_users',
  'desktop_groups',
  'gcp_service_accounts',
  'github_permissions',
  'group_labels',
  'group_labels_expression',
  'host_groups',
  'host_sudoers',
  'impersonate',
  'join_sessions',
  'logins',
  'mcp',
  'namespaces',
  'node_labels',
  'node_labels_expression',
  'request',
  'review_requests',
  'spiffe',
  'windows_desktop_labels',
  'windows_desktop_labels_expression',
  'windows_desktop_logins',
  'workload_identity_labels',
  'workload_identity_labels_expression',
];

/** Validates one side of a role and fills in the defaults of its version. */
export function readConditions(fields: Fields, version: RoleVersion, side: RoleSide): RoleConditions {
  const written = readLabels(fields, side);
  const labels = written ?? (version === 'v3' && side === 'allow' ? { '*': '*' } : undefined);
  const expression = fields.string('kubernetes_labels_expression') || undefined;
  if (expression) compileLabelExpression(expression);
  const groups = readPrincipals(fields, 'kubernetes_groups');
  const users = readPrincipals(fields, 'kubernetes_users');
  const rules = readRules(fields, side);
  const given = readResources(fields, version);
  const selects = side === 'allow' && (labels !== undefined || expression !== undefined);
  const resources = given.length === 0 && selects ? defaultResources(version) : given;
  if ((fields.list('require_session_join') ?? []).length > 0) {
    throw InvalidResource(
      `${fields.at('require_session_join')} is not supported: remove it, nothing would enforce it`,
    );
  }
  const kept = passive.filter((name) => fields.has(name)).map((name) => [name, fields.raw(name)] as const);
  fields.ignore(...passive);
  fields.end();
  return {
    ...Object.fromEntries(kept),
    ...(labels ? { kubernetes_labels: labels } : {}),
    ...(expression ? { kubernetes_labels_expression: expression } : {}),
    ...(groups.length > 0 ? { kubernetes_groups: groups } : {}),
    ...(users.length > 0 ? { kubernetes_users: users } : {}),
    ...(resources.length > 0 ? { kubernetes_resources: resources } : {}),
    ...(rules.length > 0 ? { rules } : {}),
  };
}

function readLabels(fields: Fields, side: RoleSide): RoleLabels | undefined {
  const labels = fields.mapping('kubernetes_labels');
  if (!labels || labels.names().length === 0) return undefined;
  return Object.fromEntries(labels.names().map((key) => [key, readLabelValues(labels, key, side)]));
}

function readLabelValues(labels: Fields, key: string, side: RoleSide): string | readonly string[] {
  if (!isLabelKey(key))
    throw InvalidResource(`${labels.path}: invalid label key: ${JSON.stringify(key.slice(0, 100))}`);
  const isList = Array.isArray(labels.raw(key));
  const values = isList ? (labels.strings(key) ?? []) : [labels.string(key) ?? ''];
  const isWildcard = values.length === 1 && values[0] === '*';
  if (key === '*' && side === 'allow' && !isWildcard) {
    throw InvalidResource(`selector *:${values.join(',').slice(0, 100)} is not supported`);
  }
  for (const value of values) checkPattern(value, labels.at(key));
  return values.length === 1 ? values[0]! : values;
}

function readPrincipals(fields: Fields, name: string): string[] {
  const values = fields.strings(name) ?? [];
  for (const value of values) checkPrincipal(value, fields.at(name));
  return [...new Set(values)];
}
