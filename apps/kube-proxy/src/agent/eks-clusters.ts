import { compileLabels, type LabelMatcher } from '@postern/access';
import type { Eks, EksAs, EksClusterAccess, whyNoEksEndpoint } from '@postern/aws';
import type { AwsCluster, LabelPatterns } from '@postern/contracts';
import { type Clock, failure, messageOf } from '@postern/core';
import type { ApiServerSettings, CredentialSource } from '@postern/kube';
import type { Logger } from '@postern/telemetry';

/** As whom clusters with these labels are reached. */
export interface EksMatcher {
  readonly labels: LabelPatterns;
  /** A role to assume; the identity of this process where absent. */
  readonly assumeRoleArn: string | undefined;
  readonly externalId: string | undefined;
}

/** Variables that say where AWS is and how it is reached. */
export type AwsEnvironment = Readonly<Record<string, string | undefined>>;

export interface EksClustersConfig {
  readonly matchers: readonly EksMatcher[];
  readonly env: AwsEnvironment;
  /** Whether a cluster may be on this very machine, and then at any port of it. */
  readonly allowLoopback: boolean;
}

/** A cluster that EKS does not tell where it is. */
export const EksClusterUnavailable = failure(
  'unavailable',
  'kube.eks_cluster_unavailable',
  ({ name, account_id: account, region }: AwsCluster, why: string) =>
    `EKS cluster ${name} of ${account} in ${region} cannot be reached: ${why}`,
);

/** A cluster, and who is told when it is somewhere else. */
export interface EksQuestion {
  readonly aws: AwsCluster;
  readonly labels: Readonly<Record<string, string>>;
  /** The cluster was made anew under its name: what it was opened with is worth nothing any more. */
  readonly moved: () => void;
}

/** Clusters that are reached as EKS describes them, with tokens that this process signs. */
export class EksClusters implements AsyncDisposable {
  readonly #deps: { readonly clock: Clock; readonly log: Logger };
  readonly #config: EksClustersConfig;
  readonly #matchers: readonly { readonly matches: LabelMatcher; readonly as: EksMatcher }[];
  #opening: Promise<OpenAws> | undefined;

  constructor(deps: { readonly clock: Clock; readonly log: Logger }, config: EksClustersConfig) {
    this.#deps = deps;
    this.#config = config;
    this.#matchers = config.matchers.map((as) => ({ matches: compileLabels(as.labels), as }));
  }

  /** Asks EKS where the cluster is. Throws EksClusterUnavailable, which names a permission that is missing. */
  async settingsOf({ aws, labels, moved }: EksQuestion): Promise<ApiServerSettings> {
    const as = this.#actingAs(aws, labels);
    const found = await this.#describe(aws, as);
    return {
      server: found.endpoint,
      ca: found.certificateAuthority,
      credentials: this.#source({ aws, as, found, moved }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = await this.#opening;
    await open?.eks[Symbol.asyncDispose]();
  }

  /** The first item that matches, as in the configuration: an operator puts the narrow ones before the wide. */
  #actingAs({ account_id: account, region }: AwsCluster, labels: EksQuestion['labels']): EksAs {
    const { assumeRoleArn: arn, externalId } =
      this.#matchers.find(({ matches }) => matches(labels).matches)?.as ?? {};
    return { account, region, ...(arn === undefined ? {} : { role: { arn, externalId } }) };
  }

  async #describe(aws: AwsCluster, as: EksAs): Promise<EksClusterAccess> {
    const { eks, whyNoEksEndpoint } = await this.#open();
    const found = await eks.accessTo(as, aws.name).catch((error: unknown) => {
      throw EksClusterUnavailable.from(error, aws, messageOf(error));
    });
    if (!found) throw EksClusterUnavailable(aws, 'EKS knows no such cluster');
    if (typeof found === 'string') throw EksClusterUnavailable(aws, found);
    const why = whyNoEksEndpoint(found.endpoint, aws.region, this.#config);
    if (why !== undefined) throw EksClusterUnavailable(aws, why);
    return found;
  }

  /** Each time it is asked for a token it looks where the cluster is as well. Whoever cannot tell that can sign all the same. */
  #source({ aws, as, found, moved }: Opened): CredentialSource {
    return async () => {
      const { eks } = await this.#open();
      const [{ token, goodUntil }] = await Promise.all([
        eks.token(as, aws.name),
        this.#describe(aws, as).then(
          (now) => void (isSame(now, found) || moved()),
          (error: unknown) =>
            this.#deps.log.warn('a cluster is reached as it was', {
              cluster: aws.name,
              why: messageOf(error),
            }),
        ),
      ]);
      return { headers: ['authorization', `Bearer ${token}`], goodUntil };
    };
  }

  /** What speaks with AWS is loaded with the first cluster that is there. */
  #open(): Promise<OpenAws> {
    this.#opening ??= import('@postern/aws').then(({ openEks, whyNoEksEndpoint }) => {
      const eks = openEks({ env: this.#config.env, clock: this.#deps.clock });
      return { eks, whyNoEksEndpoint };
    });
    return this.#opening;
  }
}

interface OpenAws {
  readonly eks: Eks;
  readonly whyNoEksEndpoint: typeof whyNoEksEndpoint;
}

interface Opened extends Pick<EksQuestion, 'aws' | 'moved'> {
  readonly as: EksAs;
  readonly found: EksClusterAccess;
}

function isSame(a: EksClusterAccess, b: EksClusterAccess): boolean {
  return a.endpoint === b.endpoint && a.certificateAuthority === b.certificateAuthority;
}
