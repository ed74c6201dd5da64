import { metricsGroup, metricsPath, metricsVersion } from './metrics-query.ts';

const version = { groupVersion: `${metricsGroup}/${metricsVersion}`, version: metricsVersion };
const group = { name: metricsGroup, versions: [version], preferredVersion: version };

const resource = (name: string, kind: string, namespaced: boolean) => ({
  name,
  singularName: '',
  namespaced,
  kind,
  verbs: ['get', 'list'],
});

/** What clients ask before they ask for figures, by path. */
export const discoveryDocuments: ReadonlyMap<string, object> = new Map<string, object>([
  ['/apis', { kind: 'APIGroupList', apiVersion: 'v1', groups: [group] }],
  [`/apis/${metricsGroup}`, { kind: 'APIGroup', apiVersion: 'v1', ...group }],
  [
    metricsPath,
    {
      kind: 'APIResourceList',
      apiVersion: 'v1',
      groupVersion: version.groupVersion,
      resources: [resource('nodes', 'NodeMetrics', false), resource('pods', 'PodMetrics', true)],
    },
  ],
]);
