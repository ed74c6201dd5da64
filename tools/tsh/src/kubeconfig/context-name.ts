import { failure } from '@postern/core';

const InvalidContextName = failure(
  'invalid_argument',
  'tsh.invalid_context_name',
  (template: string, why: string) => `invalid --set-context-name ${JSON.stringify(template)}: ${why}`,
);

/** The template of context names unless another is given. */
export const defaultContextName = '{{.ClusterName}}-{{.KubeName}}';

/** Checks a template: only the two variables, and the Kubernetes cluster in it where several contexts are made. */
export function checkContextName(template: string, isForAll: boolean): void {
  const rest = template.replaceAll(/\{\{\s*\.(?:ClusterName|KubeName)\s*\}\}/g, '');
  if (template.trim() === '') throw InvalidContextName(template, 'it is empty');
  if (/\{\{|\}\}/.test(rest))
    throw InvalidContextName(template, 'only {{.ClusterName}} and {{.KubeName}} are known');
  if (/[\p{Cc}]/u.test(rest)) throw InvalidContextName(template, 'it holds control characters');
  if (isForAll && !/\{\{\s*\.KubeName\s*\}\}/.test(template)) {
    throw InvalidContextName(template, 'with --all it must contain {{.KubeName}}');
  }
}

/** The name of a context. */
export function contextName(
  template: string,
  values: { teleportCluster: string; kubeCluster: string },
): string {
  return template.replaceAll(/\{\{\s*\.(ClusterName|KubeName)\s*\}\}/g, (_, variable: string) =>
    variable === 'ClusterName' ? values.teleportCluster : values.kubeCluster,
  );
}
