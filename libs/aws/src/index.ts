export {
  AwsCredentialsExpired,
  AwsCredentialsRefused,
  AwsDenied,
  AwsMalformed,
  AwsRefused,
  AwsThrottled,
  AwsTimedOut,
  AwsUnavailable,
} from './call/refusals.ts';
export { type Ec2, type Ec2Options, openEc2 } from './ec2/ec2.ts';
export { type InstanceFacts } from './ec2/read-instance.ts';
export { type Eks, type EksAs, type EksPage, openEks } from './eks/eks.ts';
export { AccessEntryExists, type EksAccessEntries, type EksAccessEntry } from './eks/access-entries.ts';
export { whyNoEksEndpoint } from './eks/cluster-endpoint.ts';
export { type EksClusterAccess, type EksClusterFacts } from './eks/read-eks.ts';
export { type AwsCredentials, type EksToken, type EksTokenFor, signEksToken } from './eks/token.ts';
export { attachPolicy, IamRefused, type PolicyHolder } from './iam/attach-policy.ts';
export { NoInstanceMetadata, readInstanceMetadata } from './instance-metadata.ts';
export { NoAwsCredentials } from './identity/no-credentials.ts';
export { signForSts, type SignedStsRequest, UnknownStsRegion } from './sign-for-sts.ts';
export { regionsOf, type StsHost, stsHostNamed, stsHostOf } from './sts-hosts.ts';
export { type Bucket, type NewObject, openBucket, S3Refused } from './s3/bucket.ts';
export { type BucketPlace, S3Unavailable, UnknownS3Region } from './s3/call-s3.ts';
