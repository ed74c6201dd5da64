export {
  discoveredCluster,
  discoveryLabels,
  type FoundBy,
  type FoundCluster,
  labelsOfCluster,
  matcherKeysOf,
  nameOfCluster,
} from './discovered-cluster.ts';
