import { command, readInput, requiredText, text, textOr } from '@postern/cli';
import { mappedArn, mappingText, withMapping } from '../discovery/aws-auth.ts';

export const discoveryAwsAuth = command({
  name: 'discovery aws-auth',
  summary:
    'Print what lets the Kubernetes Service into an EKS cluster that has no access entries, for kubectl apply',
  args: {},
  flags: {
    roleArn: requiredText('--role-arn <arn>', 'IAM role of the Kubernetes Service'),
    group: textOr('teleport', '--group <group>', 'Group in the cluster that the role is mapped to'),
    name: textOr('teleport', '--name <name>', 'Name of the ClusterRole and ClusterRoleBinding'),
    configMap: text(
      '-f, --configmap <file>',
      'The ConfigMap aws-auth as it is, which is printed with the role in it; - for standard input',
    ),
  },
  async run(context, { flags }) {
    const { roleArn, group, name } = flags;
    const mapping = { roleArn: mappedArn(roleArn), group, username: name };
    const present = flags.configMap === undefined ? undefined : await readInput(context, flags.configMap);
    const last = present === undefined ? hint(mappingText(mapping)) : withMapping(present, mapping);
    const [{ agentClusterRole, agentGroupBinding }, { stringify }] = await Promise.all([
      import('@postern/kube'),
      import('yaml'),
    ]);
    const objects = [agentClusterRole(name), agentGroupBinding(name, group)];
    // Aliases are YAML that not everybody reads.
    const documents = objects.map((object) => stringify(object, { aliasDuplicateObjects: false }));
    context.terminal.write([...documents, last].join('---\n'));
  },
});

/** A whole ConfigMap would replace the items that are there, of nodes among them. */
function hint(item: string): string {
  const lines = item.trimEnd().split('\n');
  return [
    '# Add this to mapRoles of the ConfigMap aws-auth in kube-system, beside what is there:',
    ...lines.map((line) => `#   ${line}`),
    '# or let it be added:',
    '#   kubectl -n kube-system get configmap aws-auth -o yaml | tctl discovery aws-auth --role-arn=<arn> -f - | kubectl apply -f -',
    '',
  ].join('\n');
}
