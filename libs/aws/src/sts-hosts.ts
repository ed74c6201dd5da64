/** An address of the Security Token Service. */
export interface StsHost {
  readonly host: string;
  /** The region that requests to it are signed for. */
  readonly region: string;
  /** Partition whose accounts it knows, as in ARNs. */
  readonly partition: string;
  readonly isFips: boolean;
}

interface Partition {
  readonly name: string;
  /** What names of hosts in the partition end with. */
  readonly suffix: string;
  readonly regions: string;
}

// Regions and suffixes as the endpoint rules of the AWS SDKs have them (2026). A new region is a new word here: a rule by which any
// name of a region passed would let whoever joins choose a host.
const partitions: readonly Partition[] = [
  {
    name: 'aws',
    suffix: 'amazonaws.com',
    regions: `af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2
      ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7
      ca-central-1 ca-west-1 eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
      il-central-1 me-central-1 me-south-1 me-west-1 mx-central-1 sa-east-1 sa-west-1
      us-east-1 us-east-2 us-west-1 us-west-2`,
  },
  { name: 'aws-us-gov', suffix: 'amazonaws.com', regions: 'us-gov-east-1 us-gov-west-1' },
  { name: 'aws-cn', suffix: 'amazonaws.com.cn', regions: 'cn-north-1 cn-northwest-1' },
  { name: 'aws-eusc', suffix: 'amazonaws.eu', regions: 'eusc-de-east-1' },
  { name: 'aws-iso', suffix: 'c2s.ic.gov', regions: 'us-iso-east-1 us-iso-west-1' },
  { name: 'aws-iso-b', suffix: 'sc2s.sgov.gov', regions: 'us-isob-east-1 us-isob-west-1' },
  { name: 'aws-iso-e', suffix: 'cloud.adc-e.uk', regions: 'eu-isoe-west-1' },
  { name: 'aws-iso-f', suffix: 'csp.hci.ic.gov', regions: 'us-isof-east-1 us-isof-south-1' },
];

const fipsRegions = ['us-east-1', 'us-east-2', 'us-west-1', 'us-west-2'];

const regional = partitions.flatMap(({ name: partition, suffix, regions }) =>
  regions
    .split(/\s+/)
    // In GovCloud the ordinary hosts are FIPS hosts.
    .map((region): StsHost => {
      const isFips = partition === 'aws-us-gov';
      return { host: `sts.${region}.${suffix}`, region, partition, isFips };
    }),
);

const fips = fipsRegions.map((region): StsHost => ({
  host: `sts-fips.${region}.amazonaws.com`,
  region,
  partition: 'aws',
  isFips: true,
}));

/** The oldest host: it is in one region, and every account of the commercial partition may use it. */
const global: StsHost = { host: 'sts.amazonaws.com', region: 'us-east-1', partition: 'aws', isFips: false };

const byName = new Map([...regional, ...fips, global].map((each) => [each.host, each]));

/** The STS host of exactly this name: lower case, no port, no final dot. */
export function stsHostNamed(host: string): StsHost | undefined {
  return byName.get(host);
}

/** The STS host of a region; with `isFips` one that is validated by FIPS 140, where the region has one. */
export function stsHostOf(
  region: string,
  { isFips = false }: { readonly isFips?: boolean } = {},
): StsHost | undefined {
  const hosts = [...(isFips ? fips : []), ...regional];
  return hosts.find((each) => each.region === region && (!isFips || each.isFips));
}

/** The STS host for whoever knows of no region. */
export const globalStsHost = global;

/** Every region of a partition that is known here, in the order of their names. */
export function regionsOf(partition: string): readonly string[] {
  const known = regional.filter((each) => each.partition === partition);
  return known.map(({ region }) => region).toSorted();
}
