import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type KubeApiServer, startKubeApiServer } from '@postern/lab';
import { type AwsRig, type EksPlace, startEksAuthenticator } from '@postern/testkit';

/** A cluster of a little EKS with a real API server that takes the tokens of EKS. */
export interface RealEksCluster {
  readonly server: KubeApiServer;
  /** Tells EKS of it, with these tags. */
  put(tags: Readonly<Record<string, string>>): void;
}

/** Starts the API server of a cluster, which lets in whom its access entries let in. It ends with the scope. */
export async function startEksCluster(
  {
    aws,
    folder,
    scope,
  }: { readonly aws: AwsRig; readonly folder: string; readonly scope: AsyncDisposableStack },
  place: EksPlace,
  name: string,
): Promise<RealEksCluster> {
  const at = { ...place, cluster: name };
  const authenticator = scope.use(
    await startEksAuthenticator({
      accounts: aws.accounts,
      clock: () => aws.clock(),
      cluster: name,
      entryOf: (principal) => aws.eks.access.identityOf(at, aws.accounts, principal),
    }),
  );
  const dir = join(folder, `${name}-${place.region}`);
  const { apiServerArgs } = authenticator;
  const server = scope.use(await startKubeApiServer({ dir, durable: false, apiServerArgs }));
  const certificateAuthority = (await readFile(server.caFile)).toString('base64');
  return {
    server,
    put: (tags) => aws.eks.put(place, { name, endpoint: server.url, certificateAuthority, tags }),
  };
}
