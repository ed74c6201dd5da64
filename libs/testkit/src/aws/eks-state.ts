import type { AwsPrincipal } from './accounts.ts';
import { AccessEntries } from './eks-access.ts';
import type { Misbehaviour } from './misbehaviour.ts';

/** An account in a region. */
export interface EksPlace {
  readonly account: string;
  readonly region: string;
}

/** A cluster of EKS; what is absent is as it is most of the time. */
export interface EksCluster {
  readonly name: string;
  /** `ACTIVE` where absent. */
  readonly status?: 'CREATING' | 'ACTIVE' | 'DELETING' | 'FAILED' | 'UPDATING' | 'PENDING';
  readonly tags?: Readonly<Record<string, string>>;
  readonly endpoint?: string;
  /** Base64 of PEM. */
  readonly certificateAuthority?: string;
  readonly endpointPublicAccess?: boolean;
  readonly authenticationMode?: 'API' | 'API_AND_CONFIG_MAP' | 'CONFIG_MAP';
}

/** A request that EKS got, and how it would have answered. */
export interface EksCall extends EksPlace {
  /** `ListClusters`, `DescribeCluster`, `CreateAccessEntry`, …; empty where the signature was not believed. */
  readonly action: string;
  readonly cluster?: string | undefined;
  readonly status: number;
  /** ARN of the signer. */
  readonly by: string;
}

/** What a little EKS knows, what it was asked, and how it is to misbehave. */
export class EksState {
  /** Every request so far. */
  readonly calls: EksCall[] = [];
  readonly access = new AccessEntries();
  /** `<account>/<region>` of regions that their account has switched off. */
  readonly disabledRegions = new Set<string>();
  /** Pages are no longer than this, whatever is asked for; AWS's are no longer than 100. */
  pageSize = 100;
  /** The policies: whether somebody may not do something. Nobody may see another account anyway. */
  denies: (by: AwsPrincipal, call: Pick<EksCall, 'action' | 'account' | 'region' | 'cluster'>) => boolean =
    () => false;
  /** How a request is answered instead of rightly, if it is. */
  misbehave: (call: EksCall) => Misbehaviour | undefined = () => undefined;
  /** Whether what is answered wrongly is not done either. */
  loses = false;
  readonly #clusters = new Map<string, Map<string, EksCluster>>();

  /** Makes a cluster, or changes it. */
  put({ account, region }: EksPlace, ...clusters: readonly EksCluster[]): void {
    const key = `${account}/${region}`;
    const there = this.#clusters.get(key) ?? new Map<string, EksCluster>();
    this.#clusters.set(key, there);
    for (const cluster of clusters) there.set(cluster.name, cluster);
  }

  remove({ account, region }: EksPlace, name: string): void {
    this.#clusters.get(`${account}/${region}`)?.delete(name);
  }

  /** All clusters of a place, by name. */
  clustersOf({ account, region }: EksPlace): readonly EksCluster[] {
    const there = this.#clusters.get(`${account}/${region}`);
    return [...(there?.values() ?? [])].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** How often an action was asked for. */
  count(action: string): number {
    return this.calls.filter((call) => call.action === action).length;
  }
}
