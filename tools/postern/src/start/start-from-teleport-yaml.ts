import { type Beginning, keepService, type KeptService, RefusedByControlPlane } from '@postern/agent';
import { common, formatAddress, readConfig, type TeleportConfig, textOrFile } from '@postern/config';
import { outboundOf } from '@postern/kube-proxy';
import { type AppError, failure, systemClock } from '@postern/core';
import { diagServer, Readiness } from '@postern/http';
import { startTelemetry, type Telemetry } from '@postern/telemetry';
import { isControlPlane, startAllInOne } from './control-plane.ts';
import { startDiscovery } from './discovery.ts';
import type { Host, Started } from './host.ts';
import { startKube } from './kube.ts';
import { startUnserved } from './unserved.ts';

const NothingToStart = failure(
  'failed_precondition',
  'postern.nothing_to_start',
  () =>
    'the configuration enables no service: add a kubernetes_service or discovery_service block with enabled: "yes"',
);

const ProxyMissing = failure(
  'failed_precondition',
  'postern.proxy_missing',
  () => 'the configuration does not say where to join: set teleport.proxy_server to host:port',
);

/** What `postern start` is given besides the file. */
export interface StartContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** Absolute path of the configuration. */
  readonly file: string;
}

/** Runs the services that a configuration enables, side by side in this process, until the signal. */
export async function startFromTeleportYaml(
  config: TeleportConfig,
  { env, signal, file }: StartContext,
): Promise<void> {
  await using scope = new AsyncDisposableStack();
  const { severity, format } = config.teleport.log;
  const telemetry = scope.use(startTelemetry('postern', { level: severity, format }));
  for (const notice of config.notices) telemetry.log.warn(notice);
  const readiness = new Readiness();
  const { diagAddr } = config.teleport;
  if (diagAddr) await scope.use(diagServer({ telemetry, readiness })).listen(diagAddr);
  if (isControlPlane(config)) {
    for (const { section } of config.unserved)
      telemetry.log.warn(`${section}: Postern has no such service, ignored`);
    scope.use(await startAllInOne(config, { env, file }));
    void announce([{ name: 'control plane', ready: Promise.resolve() }], { telemetry, readiness });
    await aborted(signal);
    return;
  }
  const host: Host = {
    config,
    env,
    signal,
    joinUrls: joinUrlsOf(config),
    trust: trustOf(config, env),
    outbound: outboundOf(readConfig({ outbound: common.outbound }, env)),
    telemetry,
    clock: systemClock,
    scope,
  };
  const started = await startEach(
    [
      ...(config.kubernetes.enabled ? [keep(host, 'kubernetes_service', startKube)] : []),
      ...(config.discovery.enabled ? [keep(host, 'discovery_service', startDiscovery)] : []),
      ...config.unserved.map((service) => keep(host, service.section, (own) => startUnserved(own, service))),
    ],
    telemetry,
  );
  scope.defer(() => readiness.stop());
  void announce(
    started.map(({ first }) => first),
    { telemetry, readiness },
  );
  await Promise.race([aborted(signal), ...started.map(({ ended }) => ended)]);
  telemetry.log.info('postern is stopping', { signal: String(signal.reason) });
}

/** Starts a service for as long as the process runs. */
async function keep(
  host: Host,
  name: string,
  start: (host: Host) => Promise<Started>,
): Promise<KeptService<Started>> {
  const { telemetry, signal } = host;
  const begin = (beginning: Beginning) => start({ ...host, ...beginning });
  return host.scope.use(await keepService(begin, { name, telemetry, signal }));
}

/**
 * The services that started. One that the control plane refuses, for its role is not in the token, leaves the others as they are; where
 * all are refused there is nothing to run.
 */
async function startEach(
  starting: readonly Promise<KeptService<Started>>[],
  telemetry: Telemetry,
): Promise<KeptService<Started>[]> {
  const refused: AppError[] = [];
  const results = await Promise.all(
    starting.map((each) =>
      each.catch((error: unknown) => {
        if (!RefusedByControlPlane.is(error)) throw error;
        refused.push(error);
        return undefined;
      }),
    ),
  );
  const started = results.filter((each) => each !== undefined);
  if (started.length === 0 && refused[0]) throw refused[0];
  for (const error of refused)
    telemetry.log.error('a service could not join and does not run; start anew when that is mended', {
      error: error.message,
    });
  return started;
}

/** Says that everything is known that the services need, which a control plane that is away may delay. */
async function announce(
  started: readonly Pick<Started, 'name' | 'ready'>[],
  { telemetry, readiness }: { readonly telemetry: Telemetry; readonly readiness: Readiness },
): Promise<void> {
  await Promise.all(started.map(({ ready }) => ready));
  readiness.setReady(true);
  telemetry.log.info('postern is ready', { services: started.map(({ name }) => name).join(',') });
}

function joinUrlsOf({ teleport, kubernetes, discovery, unserved }: TeleportConfig): string[] {
  if (!kubernetes.enabled && !discovery.enabled && unserved.length === 0) throw NothingToStart();
  const addresses = teleport.proxyServer ? [teleport.proxyServer] : teleport.authServers;
  if (addresses.length === 0) throw ProxyMissing();
  return addresses.map((address) => `https://${formatAddress(address)}`);
}

/** Pins of the file; without them a CA file of the environment, or else the authorities that the system trusts. */
function trustOf({ teleport }: TeleportConfig, env: StartContext['env']): Host['trust'] {
  const caFile = env['POSTERN_CA_FILE'] || undefined;
  return teleport.caPins.length > 0 ? { caPin: teleport.caPins.map(textOrFile) } : { caFile };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
