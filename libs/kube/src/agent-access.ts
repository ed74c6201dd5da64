/** What an agent may do at an API server by itself: act as others, see a pod, and review what it may do. */
export const agentRules = [
  { apiGroups: [''], resources: ['users', 'groups', 'serviceaccounts'], verbs: ['impersonate'] },
  { apiGroups: [''], resources: ['pods'], verbs: ['get'] },
  {
    apiGroups: ['authorization.k8s.io'],
    resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
    verbs: ['create'],
  },
];

const apiGroup = 'rbac.authorization.k8s.io';
const apiVersion = `${apiGroup}/v1`;

/** A ClusterRole of that name with what an agent may do. */
export function agentClusterRole(name: string) {
  return { apiVersion, kind: 'ClusterRole', metadata: { name }, rules: agentRules };
}

/** A ClusterRoleBinding of that name that gives the ClusterRole of the same name to a group. */
export function agentGroupBinding(name: string, group: string) {
  return {
    apiVersion,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup, kind: 'ClusterRole', name },
    subjects: [{ kind: 'Group', name: group, apiGroup }],
  };
}
