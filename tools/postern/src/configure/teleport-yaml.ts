/** What goes into a generated configuration. */
export interface Configuration {
  readonly nodename: string;
  readonly dataDir: string;
  /** `host:port`; absent for a process that is the control plane itself. */
  readonly proxy: string | undefined;
  readonly token: string | undefined;
  readonly joinMethod: string;
  readonly caPins: readonly string[];
  readonly roles: readonly ConfigurableRole[];
}

/** Services that a configuration can be made for. */
export const configurableRoles = ['kube', 'discovery', 'node', 'app', 'db', 'auth', 'proxy'] as const;

export type ConfigurableRole = (typeof configurableRoles)[number];

/**
 * A `teleport.yaml` of version v3. Services that are on unless a file says otherwise are switched off by name. The blocks
 * of agents are comments: what they serve is for the operator to say, and a block of the same name can be added below
 * without becoming a second one.
 */
export function teleportYaml(configuration: Configuration): string {
  const { roles } = configuration;
  const blocks = [
    service('auth_service', roles.includes('auth')),
    service('proxy_service', roles.includes('proxy')),
    service('ssh_service', roles.includes('node')),
    ...(roles.includes('app') ? [service('app_service', true)] : []),
    ...(roles.includes('db') ? [service('db_service', true)] : []),
    ...(roles.includes('kube') ? [kubernetesExample] : []),
    ...(roles.includes('discovery') ? [discoveryExample] : []),
  ];
  return ['version: v3\n', teleportBlock(configuration), ...blocks].join('');
}

function teleportBlock({ nodename, dataDir, proxy, token, joinMethod, caPins }: Configuration): string {
  const pins = caPins.map((pin) => `    - ${quoted(pin)}\n`).join('');
  return [
    'teleport:\n',
    `  nodename: ${quoted(nodename)}\n`,
    `  data_dir: ${quoted(dataDir)}\n`,
    token === undefined
      ? ''
      : `  join_params:\n    token_name: ${quoted(token)}\n    method: ${joinMethod}\n`,
    proxy === undefined ? '' : `  proxy_server: ${quoted(proxy)}\n`,
    pins === '' ? '' : `  ca_pin:\n${pins}`,
    '  log:\n    output: stderr\n    severity: INFO\n    format:\n      output: text\n',
  ].join('');
}

function service(name: string, enabled: boolean): string {
  return `${name}:\n  enabled: ${enabled ? '"yes"' : '"no"'}\n`;
}

const kubernetesExample = `
# Say which clusters the Kubernetes Service connects to, for example all that are registered:
#
# kubernetes_service:
#   enabled: "yes"
#   resources:
#     - labels:
#         "*": "*"
`;

const discoveryExample = `
# Say what the Discovery Service looks for, for example the EKS clusters of a region:
#
# discovery_service:
#   enabled: "yes"
#   discovery_group: main
#   aws:
#     - types: ["eks"]
#       regions: ["us-east-1"]
#       tags:
#         "*": "*"
`;

/** A JSON string is a YAML string. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
