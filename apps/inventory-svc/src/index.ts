export { kubeRequestList } from './audit/kube-request-list.ts';
export { type InventoryConfig, inventoryConfig } from './config.ts';
export type { InventoryDb } from './database.ts';
export {
  inventoryMigrations,
  inventoryRoutes,
  type InventoryService,
  inventoryService,
  type InventoryServiceConfig,
  type InventoryServiceDeps,
  type RegisteredClusters,
} from './service.ts';
export { inventoryProjections } from './projections.ts';
export { openInventoryStore } from './open-store.ts';
export { startInventorySvc } from './start.ts';
