export { type BusKeys, busServerLifeMs, openBusKeys } from './control-plane/bus-keys.ts';
export { type DataDir, keep, openDataDir, writeSecret } from './control-plane/data-dir.ts';
export {
  type ControlPlaneOptions,
  type Environment,
  startControlPlane,
} from './control-plane/start-control-plane.ts';
export {
  type RebuildableService,
  rebuildableServices,
  type RebuildRequest,
} from './rebuild/rebuildable-services.ts';
