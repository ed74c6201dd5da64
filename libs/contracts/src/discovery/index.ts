export {
  discoveredCluster,
  discoveryLabels,
  type FoundBy,
  type FoundCluster,
  labelsOfCluster,
  matcherKeyOf,
  matcherKeysOf,
  nameOfCluster,
} from './discovered-cluster.ts';
export {
  DiscoveryChange,
  DiscoveryChangesReply,
  DiscoveryChangesRequest,
  DiscoveryOutcome,
  KnownClustersPage,
  KnownClustersRequest,
} from './discovery-messages.ts';
