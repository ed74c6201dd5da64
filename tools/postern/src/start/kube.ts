import { join } from 'node:path';
import { formatAddress, readConfig } from '@postern/config';
import { kubeProxyConfig, kubeProxyService, serviceConfigOf, viewsOf } from '@postern/kube-proxy';
import { type Host, joinCluster, nodeName, type Started } from './host.ts';
import { addressTowards } from './local-address.ts';

/** Starts `kubernetes_service`: the kube role of kube-proxy, without the edge. */
export async function startKube(host: Host): Promise<Started> {
  const { config, env, scope, telemetry, clock } = host;
  const section = config.kubernetes;
  const settings = readConfig(kubeProxyConfig, { ...env, ...(await placeOf(host)) });
  const serviceConfig = { ...serviceConfigOf(settings, section, env), hostname: nodeName(host) };
  const views = viewsOf({ edge: false, kube: serviceConfig.kube?.selector });
  const { identity, bus } = await joinCluster(host, 'Kube', views);
  const { held, agentId } = identity;
  const service = scope.use(await kubeProxyService({ bus, held, agentId, telemetry, clock }, serviceConfig));
  telemetry.log.info('the Kubernetes Service runs', { agentId, port: service.kubePort ?? 0 });
  return { name: 'kubernetes_service', ready: service.ready };
}

/**
 * Where edges reach this agent: what the file says, or else a free port on the address from which this host talks to the
 * proxy, for that is the network they share.
 */
async function placeOf({ config, env, joinUrls }: Host): Promise<Record<string, string>> {
  const { listenAddr, publicAddrs } = config.kubernetes;
  const proxy = new URL(joinUrls[0]!);
  const towards = await addressTowards(proxy.hostname, Number(proxy.port));
  const own = config.teleport.advertiseIp ?? towards;
  const listen = listenAddr ?? { host: own, port: 0 };
  const advertised = publicAddrs[0] ?? (listen.port === 0 ? undefined : { host: own, port: listen.port });
  return {
    POSTERN_KUBE_PROXY_ROLES: 'kube',
    POSTERN_JOIN_URL: joinUrls.join(','),
    POSTERN_KUBE_LISTEN: env['POSTERN_KUBE_LISTEN'] || formatAddress(listen),
    ...(advertised ? { POSTERN_KUBE_ADVERTISE: formatAddress(advertised) } : {}),
    // A proxy on this machine means that everything is: a trial, whose clusters are on this machine too.
    POSTERN_KUBE_ALLOW_LOOPBACK: isLoopback(towards) ? 'yes' : 'no',
    POSTERN_RESOURCE_URL: '',
    POSTERN_JOIN_TOKEN_FILE: '',
    POSTERN_DATA_DIR: join(config.teleport.dataDir, 'kube'),
  };
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
