export { type ResourceConfig, resourceConfig } from './config.ts';
export type { ResourceDb } from './database.ts';
export { openResourceStore, type ResourceEventStore } from './open-resource-store.ts';
export { resourceProjections } from './projections.ts';
export { resourceList } from './resources/resource-list.ts';
export {
  resourceRoutes,
  resourceService,
  type ResourceService,
  type ResourceServiceConfig,
  type ResourceServiceDeps,
} from './service.ts';
export { type RunningResourceSvc, startResourceSvc } from './start.ts';
