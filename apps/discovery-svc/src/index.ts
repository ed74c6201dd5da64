export { type DiscoveryConfig, discoveryConfig } from './config.ts';
export { type EffectiveMatcher } from './matchers/effective-matchers.ts';
export { readSection } from './read-section.ts';
export {
  discoverySelector,
  type DiscoveryService,
  discoveryService,
  type DiscoveryServiceConfig,
  type DiscoveryServiceDeps,
} from './service.ts';
export { startDiscoverySvc } from './start.ts';
