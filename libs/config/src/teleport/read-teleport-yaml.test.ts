import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sha256Hex } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { readTeleportYaml } from './read-teleport-yaml.ts';

const agentOnly =
  'auth_service: {enabled: off}\nproxy_service: {enabled: "no"}\nssh_service: {enabled: false}\n';

describe('a teleport.yaml', () => {
  test('for a kube agent is read as the guide writes it', () => {
    const config = readTeleportYaml(`
version: v3
teleport:
  nodename: agent-1
  data_dir: /var/lib/postern
  join_params:
    token_name: "/tmp/token"
    method: iam
  ca_pin: sha256:${'a1'.repeat(32)}
  proxy_server: edge.example.com:443
  diag_addr: 127.0.0.1:3000
  log:
    output: stderr
    severity: DEBUG
    format: {output: json, extra_fields: [level, timestamp, component, caller]}
ssh_service:
  enabled: off
auth_service:
  enabled: "no"
proxy_service:
  enabled: no
kubernetes_service:
  enabled: "yes"
  resources:
  - labels:
      env: test
      team: [a, 7, true]
  - labels: {"*": "*"}
    aws: {assume_role_arn: x, external_id: y}
  labels: {zone: 1}
  commands:
  - {name: arch, command: [/bin/uname, -m], period: 1h0m0s}
  dynamic_label_commands: [/bin/uname]
  allow_loopback: true
`);
    expect(config.teleport).toEqual({
      nodename: 'agent-1',
      dataDir: '/var/lib/postern',
      pidFile: undefined,
      join: { method: 'iam', tokenName: '/tmp/token' },
      caPins: [`sha256:${'a1'.repeat(32)}`],
      proxyServer: { host: 'edge.example.com', port: 443 },
      authServers: [],
      diagAddr: { host: '127.0.0.1', port: 3000 },
      log: { output: 'stderr', severity: 'debug', format: 'json' },
      maxConnections: 15_000,
    });
    expect(config.kubernetes).toEqual({
      enabled: true,
      kubeconfigFile: undefined,
      kubeClusterName: undefined,
      labels: { zone: '1' },
      commands: [{ name: 'arch', command: ['/bin/uname', '-m'], periodMs: 3_600_000 }],
      resources: [
        {
          labels: { env: ['test'], team: ['a', '7', 'true'] },
          assumeRoleArn: undefined,
          externalId: undefined,
        },
        { labels: { '*': ['*'] }, assumeRoleArn: 'x', externalId: 'y' },
      ],
      dynamicLabelCommands: ['/bin/uname'],
      allowLoopback: true,
    });
    expect([config.auth.enabled, config.proxy.enabled, config.discovery.enabled, config.notices]).toEqual([
      false,
      false,
      false,
      [],
    ]);
  });

  test('that says little has auth and proxy on and the rest off', () => {
    const config = readTeleportYaml('version: v3\nteleport: {nodename: all-in-one}');
    expect([
      config.auth.enabled,
      config.proxy.enabled,
      config.kubernetes.enabled,
      config.discovery.enabled,
    ]).toEqual([true, true, false, false]);
    expect(config.teleport).toMatchObject({
      dataDir: '/var/lib/teleport',
      join: undefined,
      log: { severity: 'info', format: 'text' },
    });
  });

  test('leaves a section whose enabled is empty at its default', () => {
    const config = readTeleportYaml(
      'auth_service: {enabled: ""}\nkubernetes_service: {enabled: }\nproxy_service: {enabled: ~}',
    );
    expect([config.auth.enabled, config.proxy.enabled, config.kubernetes.enabled]).toEqual([
      true,
      true,
      false,
    ]);
  });

  test('takes addresses as one or as a list, with the usual ports', () => {
    const config = readTeleportYaml(`
auth_service: {public_addr: a.example, listen_addr: ":3025", cluster_name: prod}
proxy_service: {public_addr: [p.example, "q.example:443"], https_keypairs: [{key_file: /k, cert_file: /c}]}
teleport: {auth_servers: [one.example, "two.example:3080"], ca_pin: [/etc/pin, "sha256:${'0'.repeat(64)}"]}
`);
    expect(config.auth).toMatchObject({
      publicAddrs: [{ host: 'a.example', port: 3025 }],
      listenAddr: { host: '0.0.0.0', port: 3025 },
      clusterName: 'prod',
    });
    expect(config.proxy.publicAddrs).toEqual([
      { host: 'p.example', port: 3080 },
      { host: 'q.example', port: 443 },
    ]);
    expect(config.proxy.httpsKeypairs).toEqual([{ keyFile: '/k', certFile: '/c' }]);
    expect(config.teleport.authServers).toEqual([
      { host: 'one.example', port: 3025 },
      { host: 'two.example', port: 3080 },
    ]);
  });

  test('keeps static tokens by their hashes, given as they are or in a file', () => {
    const value = 'canary-static-token-0123456789';
    const file = join(mkdtempSync(join(tmpdir(), 'static-token-')), 'token');
    writeFileSync(file, `${value}\n`);
    const { auth } = readTeleportYaml(`auth_service: {tokens: ["node,kube:${value}", "discovery:${file}"]}`);
    const id = sha256Hex(value);
    expect(auth.tokens).toEqual([
      { id, roles: ['Node', 'Kube'] },
      { id, roles: ['Discovery'] },
    ]);
    rmSync(dirname(file), { recursive: true });
    expect(() => readTeleportYaml(`auth_service: {tokens: ["discovery:${file}"]}`)).toThrow(
      'auth_service.tokens[0]: names a file that is not there',
    );
  });

  test('tells what has no effect', () => {
    const config = readTeleportYaml(`
ssh_service: {enabled: yes, listen_addr: "0.0.0.0:3022", whatever: [1]}
app_service: {enabled: true, apps: [{name: x}]}
db_service: {enabled: off}
windows_desktop_service: {enabled: on}
auth_service: {message_of_the_day: hello}
proxy_service: {acme: {enabled: yes}}
kubernetes_service: {enabled: yes, listen_addr: "0.0.0.0:3026", public_addr: k.example}
teleport: {cache: {enabled: true}}
`);
    expect(config.notices).toEqual([
      'teleport.cache: not used by Postern, ignored',
      'auth_service.message_of_the_day: not used by Postern, ignored',
      'proxy_service.acme: not used by Postern, ignored',
      'kubernetes_service.listen_addr: not needed, an agent listens nowhere; ignored',
      'kubernetes_service.public_addr: not needed, an agent listens nowhere; ignored',
      'windows_desktop_service: Postern has no such service, ignored',
    ]);
    expect(config.unserved).toEqual([
      { section: 'ssh_service', role: 'Node', protocol: 'SSH' },
      { section: 'app_service', role: 'App', protocol: 'applications' },
    ]);
  });

  test('may name the legacy token', () => {
    expect(readTeleportYaml('teleport: {auth_token: abc}').teleport.join).toEqual({
      method: 'token',
      tokenName: 'abc',
    });
  });
});

describe('the enabled key', () => {
  const spellings: [string, boolean][] = [
    ...['yes', 'yeah', 'y', 'true', '1', 'on', 'Yes', 'ON', '"true"', '"on"', 'TRUE'].map(
      (text): [string, boolean] => [text, true],
    ),
    ...['no', 'nope', 'n', 'false', '0', 'off', 'Off', 'NO', '"false"', '"off"', 'False'].map(
      (text): [string, boolean] => [text, false],
    ),
  ];
  test.each(spellings)('spelt %s is %s', (text, expected) => {
    expect(readTeleportYaml(`kubernetes_service: {enabled: ${text}}`).kubernetes.enabled).toBe(expected);
  });

  test.each([
    ['maybe', 'unsupported value: "maybe"'],
    ['2', 'unsupported value: "2"'],
    ['oui', 'unsupported value: "oui"'],
    ['constructor', 'unsupported value: "constructor"'],
    ['[yes]', 'must be a single value'],
  ])('spelt %s is refused', (text, why) => {
    expect(() => readTeleportYaml(`kubernetes_service: {enabled: ${text}}`)).toThrow(
      `kubernetes_service.enabled: ${why}`,
    );
  });
});

describe('a teleport.yaml that is wrong', () => {
  const rows: [string, string, string][] = [
    ['an unknown section', 'kube_service: {}', 'unknown field "kube_service"'],
    ['an unknown key', 'teleport: {nodname: x}', 'unknown field "teleport.nodname"'],
    [
      'an unknown nested key',
      'teleport: {join_params: {token_name: x, methd: iam}}',
      'unknown field "teleport.join_params.methd"',
    ],
    [
      'an unknown key of kubernetes_service',
      'kubernetes_service: {kubeconfig: x}',
      'unknown field "kubernetes_service.kubeconfig"',
    ],
    [
      'tags for labels',
      'kubernetes_service: {resources: [{tags: {a: b}}]}',
      'unknown field "kubernetes_service.resources[0].tags"',
    ],
    [
      'an unknown key of discovery_service',
      'discovery_service: {groups: x}',
      'unknown field "discovery_service.groups"',
    ],
    [
      'an unknown key of a matcher',
      'discovery_service: {aws: [{types: [eks], regions: ["*"], tag: {}}]}',
      'unknown field "discovery_service.aws[0].tag"',
    ],
    ['an unknown version', 'version: v4', 'version: "v4" must be one of v1, v2, v3'],
    ['no content', '# nothing\n', 'the file is empty'],
    ['two documents', 'version: v3\n---\nversion: v3', 'a single YAML document'],
    ['a list', '- version: v3\n- version: v3', 'a single YAML document'],
    ['a text', 'hello', 'the document must be a mapping'],
    ['a key twice', 'version: v3\nversion: v3', 'is there twice'],
    ['an anchor', 'teleport: &a {}\nauth_service: *a', 'not allowed'],
    ['a tag', 'teleport: {nodename: !!str x}', 'not allowed'],
    ['a poisoned prototype', 'teleport: {__proto__: {}}', 'not allowed'],
    ['broken YAML', 'teleport: {', 'invalid YAML'],
    ['a number for a name', 'teleport: {nodename: 7}', 'teleport.nodename must be a string'],
    ['a bad address', 'teleport: {diag_addr: "127.0.0.1"}', 'teleport.diag_addr: must be like host:port'],
    [
      'a bad listed address',
      'proxy_service: {public_addr: ["https://x"]}',
      'proxy_service.public_addr: must be like host:port',
    ],
    ['a bad pin', 'teleport: {ca_pin: "sha256:xyz"}', 'teleport.ca_pin must be like sha256:'],
    [
      'an unknown join method',
      'teleport: {join_params: {method: magic, token_name: x}}',
      'teleport.join_params.method: unknown join method "magic"',
    ],
    [
      'no token name',
      'teleport: {join_params: {method: iam}}',
      'teleport.join_params.token_name is required',
    ],
    [
      'two tokens',
      'teleport: {auth_token: x, join_params: {token_name: y}}',
      'only one of teleport.auth_token and teleport.join_params',
    ],
    ['an unknown severity', 'teleport: {log: {severity: loud}}', 'unsupported logger severity: "loud"'],
    [
      'an unknown log format',
      'teleport: {log: {format: {output: xml}}}',
      'unsupported log output format: "xml"',
    ],
    ['an unknown log field', 'teleport: {log: {format: {extra_fields: [pid]}}}', 'unknown field "pid"'],
    [
      'no connections',
      'teleport: {connection_limits: {max_connections: 0}}',
      'teleport.connection_limits.max_connections: must be at least 1',
    ],
    ['half a key pair', 'proxy_service: {https_keypairs: [{key_file: /k}]}', 'belong together'],
    [
      'a command without a program',
      'kubernetes_service: {commands: [{name: a, command: []}]}',
      'kubernetes_service.commands[0].command must name a program',
    ],
    [
      'a bad label key',
      'kubernetes_service: {labels: {"a b": c}}',
      'kubernetes_service.labels: invalid label key: "a b"',
    ],
    ['a reserved label key', 'kubernetes_service: {labels: {teleport.dev/origin: c}}', 'is reserved'],
    [
      'a reserved command label',
      'kubernetes_service: {commands: [{name: teleport.internal/x, command: [/bin/true]}]}',
      'is reserved',
    ],
    [
      'a label that is a mapping',
      'kubernetes_service: {labels: {a: {b: c}}}',
      'kubernetes_service.labels.a: must be a single value',
    ],
    [
      'a selector without values',
      'kubernetes_service: {resources: [{labels: {a: []}}]}',
      'kubernetes_service.resources[0].labels.a: must name at least one value',
    ],
    [
      'a period that is too short',
      'kubernetes_service: {commands: [{name: a, command: [/bin/true], period: 10ms}]}',
      'kubernetes_service.commands[0].period: 10ms is too short',
    ],
    [
      'a period without a unit',
      'kubernetes_service: {commands: [{name: a, command: [/bin/true], period: "10"}]}',
      'kubernetes_service.commands[0].period: invalid duration',
    ],
    [
      'a relative program',
      'kubernetes_service: {dynamic_label_commands: [uname]}',
      'is not an absolute path',
    ],
    [
      'a bad cluster name',
      'kubernetes_service: {kube_cluster_name: "a b"}',
      'kubernetes_service.kube_cluster_name',
    ],
  ];
  test.each(rows)('by %s is refused', (_, text, message) => {
    expect(() => readTeleportYaml(text)).toThrow(message);
  });
});

describe('version rules', () => {
  const rows: [string, string, string][] = [
    [
      'v3 with auth_servers',
      'version: v3\nteleport: {auth_servers: [a]}',
      'teleport.auth_servers cannot be used with version v3',
    ],
    [
      'v2 with proxy_server',
      'version: v2\nteleport: {proxy_server: a}',
      'teleport.proxy_server cannot be used with version v2',
    ],
    [
      'v1 with auth_server',
      'teleport: {auth_server: a}',
      'teleport.auth_server cannot be used with version v1',
    ],
    [
      'v3 with both servers',
      `version: v3\nteleport: {auth_server: a, proxy_server: b}\n${agentOnly}`,
      'only one of teleport.auth_server and teleport.proxy_server',
    ],
    [
      'proxy_server beside a proxy',
      'version: v3\nteleport: {proxy_server: a}\nauth_service: {enabled: no}',
      'when proxy_service is enabled',
    ],
    [
      'proxy_server beside an auth service',
      'version: v3\nteleport: {proxy_server: a}\nproxy_service: {enabled: no}',
      'when auth_service is enabled',
    ],
  ];
  test.each(rows)('refuse %s', (_, text, message) => {
    expect(() => readTeleportYaml(text)).toThrow(message);
  });

  test('accept either server in v3 and fill in its port', () => {
    const read = (server: string) =>
      readTeleportYaml(`version: v3\nteleport: {${server}: h}\n${agentOnly}`).teleport;
    expect(read('proxy_server').proxyServer).toEqual({ host: 'h', port: 3080 });
    expect(read('auth_server').authServers).toEqual([{ host: 'h', port: 3025 }]);
  });
});

describe('discovery_service', () => {
  const discovery = (fields: string) =>
    readTeleportYaml(`discovery_service:\n  enabled: yes\n${fields.replaceAll(/^/gm, '  ')}`);

  test('is read as the guide writes it, regions and all', () => {
    const { discovery: section } = discovery(`
discovery_group: "prod"
poll_interval: 1m
aws:
- types: ["eks"]
  regions: ["*"]
  tags: {env: prod, team: [a, b]}
  assume_role_arn: arn:aws:iam::123456789012:role/scan
  external_id: x
  setup_access_for_arn: arn:aws:iam::123456789012:role/agent
kubernetes:
- types: [app]
`);
    expect(section).toEqual({
      enabled: true,
      discoveryGroup: 'prod',
      pollIntervalMs: 60_000,
      aws: [
        {
          types: ['eks'],
          regions: ['*'],
          tags: { env: ['prod'], team: ['a', 'b'] },
          assumeRoleArn: 'arn:aws:iam::123456789012:role/scan',
          externalId: 'x',
          setupAccessForArn: 'arn:aws:iam::123456789012:role/agent',
          kubeAppDiscovery: true,
          integration: undefined,
        },
      ],
      kubernetes: [{ types: ['app'], namespaces: ['*'], labels: { '*': ['*'] } }],
    });
  });

  test('has its defaults', () => {
    const { discovery: section, notices } = discovery('aws: [{types: [eks], regions: [eu-west-1]}]');
    expect(section).toMatchObject({
      discoveryGroup: '',
      pollIntervalMs: 300_000,
      aws: [{ tags: { '*': ['*'] } }],
    });
    expect(notices).toEqual([
      'discovery_service.discovery_group is empty: discovery_config resources do not reach this process',
    ]);
  });

  test('may consist of a group alone', () => {
    expect(discovery('discovery_group: g').discovery).toMatchObject({ discoveryGroup: 'g', aws: [] });
  });

  test.each([
    'us-east-1',
    'eu-central-2',
    'us-gov-west-1',
    'cn-northwest-1',
    'us-isob-east-1',
    'ap-southeast-10',
    'mx-central-1',
  ])('knows the region %s', (region) => {
    expect(discovery(`aws: [{types: [eks], regions: [${region}]}]`).discovery.aws[0]!.regions).toEqual([
      region,
    ]);
  });

  const arn = 'arn:aws:iam::123456789012:role/r';
  const rows: [string, string, string][] = [
    ['nothing to do', '', 'no matchers or discovery group configured for discovery'],
    ['kubernetes matchers without a group', 'kubernetes: [{types: [app]}]', 'DiscoveryGroup'],
    [
      'an unknown type',
      'aws: [{types: [eks, s3], regions: ["*"]}]',
      'discovery service type does not support "s3", supported resource types are: [ec2 eks rds rdsproxy redshift redshift-serverless elasticache elasticache-serverless memorydb opensearch docdb]',
    ],
    [
      'an unknown type before absent regions',
      'aws: [{types: [s3]}]',
      'discovery service type does not support "s3"',
    ],
    ['no types', 'aws: [{regions: ["*"]}]', 'discovery service requires at least one type'],
    ['no regions', 'aws: [{types: [eks]}]', 'discovery service requires at least one region'],
    [
      'an unknown region',
      'aws: [{types: [eks], regions: [us-east-1a]}]',
      'discovery service does not support region "us-east-1a"',
    ],
    [
      'a region in capitals',
      'aws: [{types: [eks], regions: [US-EAST-1]}]',
      'discovery service does not support region "US-EAST-1"',
    ],
    [
      'every region and another',
      'aws: [{types: [eks], regions: ["*", us-east-1]}]',
      'when using "*" as region, no other regions can be specified',
    ],
    [
      'a role that is a user',
      'aws: [{types: [eks], regions: ["*"], assume_role_arn: "arn:aws:iam::123456789012:user/u"}]',
      'invalid assume role: ',
    ],
    [
      'a role of a short account',
      'aws: [{types: [eks], regions: ["*"], assume_role_arn: "arn:aws:iam::12345678901:role/r"}]',
      'invalid assume role: ',
    ],
    [
      'an external id without a role',
      'aws: [{types: [eks], regions: ["*"], external_id: x}]',
      'discovery service AWS matcher assume_role_arn is empty, but has external_id "x"',
    ],
    [
      'an external id without a role, one type being eks',
      'aws: [{types: [opensearch, eks], regions: ["*"], external_id: x}]',
      'assume_role_arn is empty',
    ],
    [
      'access for another type',
      `aws: [{types: [rds], regions: ["*"], setup_access_for_arn: "${arn}"}]`,
      'discovery service AWS matcher setup_access_for_arn is only supported for eks',
    ],
    [
      'access for no role',
      'aws: [{types: [eks], regions: ["*"], setup_access_for_arn: "arn:aws:sts::123456789012:assumed-role/a/b"}]',
      'invalid setup access for ARN: ',
    ],
    [
      'a type of application that is unknown',
      'discovery_group: g\nkubernetes: [{types: [db]}]',
      'discovery_service.kubernetes[0].types: only "app" is possible',
    ],
    [
      'a bad interval',
      'discovery_group: g\npoll_interval: soon',
      'discovery_service.poll_interval: invalid duration',
    ],
  ];
  test.each(rows)('with %s is refused', (_, fields, message) => {
    expect(() => discovery(fields)).toThrow(message);
  });

  test('may have an external id without a role where every type allows it', () => {
    const { discovery: section, notices } = discovery(
      'discovery_group: g\naws: [{types: [opensearch, docdb], regions: ["*"], external_id: x}]',
    );
    expect(section.aws[0]).toMatchObject({ externalId: 'x', assumeRoleArn: undefined });
    expect(notices).toEqual(['discovery_service.aws: only eks is discovered, not opensearch, docdb']);
  });

  test('that is off needs neither group nor matchers', () => {
    expect(readTeleportYaml('discovery_service: {enabled: no}').discovery.enabled).toBe(false);
  });
});
