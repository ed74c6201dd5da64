import { join } from 'node:path';
import { readConfig } from '@postern/config';
import { kubeProxyConfig, kubeProxyService, serviceConfigOf, viewsOf } from '@postern/kube-proxy';
import { type Host, joinCluster, nodeName, type Started } from './host.ts';
import { isOnThisMachine } from './local-address.ts';

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
  telemetry.log.info('the Kubernetes Service runs', { agentId });
  return { name: 'kubernetes_service', ready: service.ready, identity };
}

/** The part of the environment that the file decides. */
async function placeOf({ config, joinUrls }: Host): Promise<Record<string, string>> {
  return {
    POSTERN_KUBE_PROXY_ROLES: 'kube',
    POSTERN_JOIN_URL: joinUrls.join(','),
    // A proxy on this machine means that everything is: a trial, whose clusters are on this machine too.
    POSTERN_KUBE_ALLOW_LOOPBACK: (await isOnThisMachine(joinUrls[0]!)) ? 'yes' : 'no',
    POSTERN_RESOURCE_URL: '',
    POSTERN_JOIN_TOKEN_FILE: '',
    POSTERN_DATA_DIR: join(config.teleport.dataDir, 'kube'),
  };
}
