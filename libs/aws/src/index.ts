export { NoInstanceMetadata, readInstanceMetadata } from './instance-metadata.ts';
export { NoAwsCredentials, signForSts, type SignedStsRequest, UnknownStsRegion } from './sign-for-sts.ts';
export { type StsHost, stsHostNamed, stsHostOf } from './sts-hosts.ts';
