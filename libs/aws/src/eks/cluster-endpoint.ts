import { stsHostOf } from '../sts-hosts.ts';

/**
 * Why an address is not that of an API server of EKS in a region; undefined where it is. Whoever could answer in place of EKS must
 * not be able to send credentials elsewhere, so only names that belong to AWS will do, and where that is allowed
 * any port of this machine
 * (https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html).
 */
export function whyNoEksEndpoint(
  endpoint: string,
  region: string,
  { allowLoopback }: { readonly allowLoopback: boolean },
): string | undefined {
  const url = URL.parse(endpoint);
  if (allowLoopback && url && isLoopback(url)) return undefined;
  const sts = stsHostOf(region);
  if (!url || !sts) return `its endpoint ${shown(endpoint)} is no address in ${region}`;
  const isPlain = url.protocol === 'https:' && url.username === '' && url.port === '' && url.search === '';
  const suffix = sts.host.slice(`sts.${region}.`.length);
  const inRegion = [
    `.${region}.eks.${suffix}`,
    `.eks.${region}.${suffix}`,
    ...dualStack(region, sts.partition),
  ];
  const isOfAws = inRegion.some((end) => url.hostname.endsWith(end));
  return isPlain && isOfAws ? undefined : `its endpoint ${shown(endpoint)} is not one of EKS in ${region}`;
}

/** Those of clusters with IPv6, and in China of all that are new. */
function dualStack(region: string, partition: string): readonly string[] {
  if (partition !== 'aws-cn') return [`.${region}.api.aws`];
  return [`.${region}.api.amazonwebservices.com.cn`, `.${region}.amazonwebservices.com.cn`];
}

function isLoopback({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' && (hostname === '[::1]' || hostname.startsWith('127.'));
}

function shown(endpoint: string): string {
  return JSON.stringify(endpoint.slice(0, 200));
}
