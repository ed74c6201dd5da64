import type { LabelPatterns } from '@postern/contracts';
import type { NetworkAddress } from '../network-address.ts';
import type { StaticToken } from '../static-token.ts';
import type { AwsMatcher } from './aws-matcher.ts';

/** What a `teleport.yaml` says, checked and with its defaults. */
export interface TeleportConfig {
  readonly version: 'v1' | 'v2' | 'v3';
  readonly teleport: TeleportSection;
  readonly auth: AuthSection;
  readonly proxy: ProxySection;
  readonly kubernetes: KubernetesSection;
  readonly discovery: DiscoverySection;
  /** What is on and Postern does not serve: an agent joins for it, and does nothing more. */
  readonly unserved: readonly UnservedService[];
  /** What was accepted and has no effect here, one sentence each: to be logged at start. */
  readonly notices: readonly string[];
}

/** A service of a protocol that Postern does not serve. */
export interface UnservedService {
  readonly section: string;
  /** The system role that it joins with. */
  readonly role: 'Node' | 'App' | 'Db';
  /** For people. */
  readonly protocol: string;
}

/** `teleport:`, what every service of the process shares. */
export interface TeleportSection {
  readonly nodename: string | undefined;
  readonly dataDir: string;
  readonly pidFile: string | undefined;
  readonly join: JoinSection | undefined;
  /** `sha256:…`, or absolute paths of files that hold such a pin. */
  readonly caPins: readonly string[];
  readonly proxyServer: NetworkAddress | undefined;
  /** From `auth_server`, or the list `auth_servers` of v1 and v2, which may name a proxy as well. */
  readonly authServers: readonly NetworkAddress[];
  readonly diagAddr: NetworkAddress | undefined;
  readonly log: LogSection;
  readonly maxConnections: number;
}

/** How the process joins. */
export interface JoinSection {
  readonly method: string;
  /** The token, its name, or the absolute path of a file that holds it: see `textOrFile`. */
  readonly tokenName: string;
}

/** Where and how much is logged. */
export interface LogSection {
  /** `stderr`, `stdout`, `syslog` or a path. */
  readonly output: string;
  readonly severity: 'debug' | 'info' | 'warn' | 'error';
  readonly format: 'text' | 'json';
}

/** `auth_service:`. */
export interface AuthSection {
  readonly enabled: boolean;
  readonly clusterName: string | undefined;
  readonly listenAddr: NetworkAddress | undefined;
  readonly publicAddrs: readonly NetworkAddress[];
  /** `role,role:value`, where the value may be the path of a file with it. */
  readonly tokens: readonly StaticToken[];
}

/** `proxy_service:`. */
export interface ProxySection {
  readonly enabled: boolean;
  readonly webListenAddr: NetworkAddress | undefined;
  readonly publicAddrs: readonly NetworkAddress[];
  readonly kubePublicAddrs: readonly NetworkAddress[];
  readonly httpsKeypairs: readonly { readonly keyFile: string; readonly certFile: string }[];
}

/** `kubernetes_service:`. */
export interface KubernetesSection {
  readonly enabled: boolean;
  readonly kubeconfigFile: string | undefined;
  readonly kubeClusterName: string | undefined;
  /** Of the clusters that this file defines. */
  readonly labels: Readonly<Record<string, string>>;
  readonly commands: readonly LabelCommand[];
  /** Which kube_cluster resources are served. */
  readonly resources: readonly ResourceMatcher[];
  /** Programs that the dynamic labels of kube_cluster resources may run. None unless listed. */
  readonly dynamicLabelCommands: readonly string[];
  /** Whether kube_cluster resources may point at this machine. */
  readonly allowLoopback: boolean;
}

/** A label whose value a command prints. */
export interface LabelCommand {
  readonly name: string;
  readonly command: readonly string[];
  readonly periodMs: number;
}

/** One item of `resources`: all labels must match. */
export interface ResourceMatcher {
  readonly labels: LabelPatterns;
  readonly assumeRoleArn: string | undefined;
  readonly externalId: string | undefined;
}

/** `discovery_service:`. */
export interface DiscoverySection {
  readonly enabled: boolean;
  readonly discoveryGroup: string;
  readonly pollIntervalMs: number;
  readonly aws: readonly AwsMatcher[];
  readonly kubernetes: readonly KubernetesAppMatcher[];
}

/** Finds applications inside the cluster of the agent itself. */
export interface KubernetesAppMatcher {
  readonly types: readonly string[];
  readonly namespaces: readonly string[];
  readonly labels: LabelPatterns;
}
