import type { KubeAssets } from '../assets/kube-binaries.ts';
import type { KeyPairFiles, Pki } from './pki.ts';

/** What is known of an API server whether it runs or not. */
export interface ServerFacts {
  readonly url: string;
  readonly port: number;
  /** A kubeconfig of an administrator (group system:masters). */
  readonly kubeconfig: string;
  readonly caFile: string;
  readonly admin: KeyPairFiles;
  /** Where requests are recorded when `auditLog` was asked for, one JSON object per line. */
  readonly auditFile: string;
  readonly dir: string;
  /** Such as v1.20.2. */
  readonly version: string;
  readonly pki: Pki;
  readonly assets: KubeAssets;
}

/** A running API server with its etcd. */
export interface KubeApiServer extends ServerFacts, AsyncDisposable {
  readonly pids: Readonly<Record<string, number>>;
  readonly stop: () => Promise<void>;
}
