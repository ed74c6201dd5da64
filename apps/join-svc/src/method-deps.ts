import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Outbound } from '@postern/agent';
import { addressClass, parseKubeconfig } from '@postern/contracts';
import type { Clock } from '@postern/core';
import { ApiServer, type ApiServerSettings, inClusterSettings } from '@postern/kube';
import type { Telemetry } from '@postern/telemetry';
import type { JoinConfig } from './config.ts';
import { openInstances } from './methods/ec2/ask-ec2.ts';
import { regionKeys } from './methods/ec2/aws-certificates.ts';
import { openSts } from './methods/iam/ask-sts.ts';
import { jsonFetcher } from './methods/kubernetes/fetch-json.ts';
import { issuerKeys } from './methods/kubernetes/issuer-keys.ts';
import { type TokenReviewer, tokenReviewer } from './methods/kubernetes/token-review.ts';
import type { MethodDeps } from './methods/method.ts';

/** What the operator says about those who vouch for joiners. */
export type MethodSettings = Pick<
  JoinConfig,
  | 'kubeconfigFile'
  | 'podHost'
  | 'podPort'
  | 'serviceAccountDir'
  | 'issuerCaFile'
  | 'issuerAllowLoopback'
  | 'ec2CertificatesDir'
  | 'stsEndpoint'
  | 'stsFipsOnly'
  | 'outbound'
  | 'aws'
>;

interface OpeningDeps {
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Opens what join methods ask: STS, an API server, issuers of tokens, the certificates of AWS. Closing it closes connections. */
export async function openMethodDeps(
  { clock, telemetry }: OpeningDeps,
  { clusterName, ...settings }: Partial<MethodSettings> & Pick<JoinConfig, 'clusterName'>,
): Promise<MethodDeps & AsyncDisposable> {
  await using opening = new AsyncDisposableStack();
  const { issuerAllowLoopback: allowLoopback = false, issuerCaFile, ec2CertificatesDir } = settings;
  const ca = issuerCaFile === undefined ? undefined : await readFile(issuerCaFile, 'utf8');
  const fetchJson = opening.use(jsonFetcher({ allowLoopback, ca }));
  const reviewer = await openReviewer(clusterName, settings, { clock, scope: opening });
  const sts = opening.use(
    openSts({
      clock,
      telemetry,
      endpoint: settings.stsEndpoint,
      isFipsOnly: settings.stsFipsOnly,
      outbound: outboundOf(settings),
    }),
  );
  const instances = opening.use(openInstances({ clock, telemetry, env: awsEnvironmentOf(settings) }));
  const keyOf = regionKeys(ec2CertificatesDir === undefined ? {} : certificatesIn(ec2CertificatesDir));
  const open = opening.move();
  return {
    clock,
    clusterName,
    sts,
    kubernetes: { reviewer, issuers: issuerKeys({ clock, fetchJson, telemetry }) },
    ec2: { keyOf, instances },
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

function outboundOf({ outbound }: Partial<MethodSettings>): Outbound {
  return new Outbound({
    httpsProxy: outbound?.httpsProxy ?? outbound?.httpsProxyLower,
    noProxy: outbound?.noProxy ?? outbound?.noProxyLower,
  });
}

/** Where AWS is and the way to it, as `@postern/aws` reads them. */
function awsEnvironmentOf({ aws, outbound }: Partial<MethodSettings>): Record<string, string | undefined> {
  return {
    ...aws,
    HTTPS_PROXY: (outbound?.httpsProxy ?? outbound?.httpsProxyLower)?.reveal(),
    NO_PROXY: outbound?.noProxy ?? outbound?.noProxyLower,
  };
}

async function openReviewer(
  clusterName: string,
  settings: Partial<MethodSettings>,
  { clock, scope }: { readonly clock: Clock; readonly scope: AsyncDisposableStack },
): Promise<TokenReviewer | undefined> {
  const found = await apiServerSettings(settings);
  if (!found) return undefined;
  // The operator of join-svc named it: an API server of a trial is on this machine.
  const server = scope.use(
    new ApiServer(found, { mayConnect: (address) => addressClass(address) !== 'forbidden' }, clock),
  );
  const { token } = found;
  return tokenReviewer(server, { clusterName, ownToken: typeof token === 'string' ? token : undefined });
}

async function apiServerSettings({
  kubeconfigFile,
  podHost,
  podPort,
  serviceAccountDir,
}: Partial<MethodSettings>): Promise<ApiServerSettings | undefined> {
  if (kubeconfigFile !== undefined)
    return parseKubeconfig(await readFile(kubeconfigFile, 'utf8'), { allowLoopback: true });
  return inClusterSettings({
    KUBERNETES_SERVICE_HOST: podHost,
    KUBERNETES_SERVICE_PORT: podPort,
    POSTERN_SERVICE_ACCOUNT_DIR: serviceAccountDir,
  });
}

function certificatesIn(folder: string): Record<string, string> {
  const files = readdirSync(folder).filter((file) => file.endsWith('.pem'));
  return Object.fromEntries(
    files.map((file) => [file.slice(0, -'.pem'.length), readFileSync(join(folder, file), 'utf8')]),
  );
}
