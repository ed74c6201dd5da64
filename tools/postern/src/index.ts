export { type DataDir, keep, openDataDir, writeSecret } from './control-plane/data-dir.ts';
export {
  type ControlPlaneOptions,
  type Environment,
  startControlPlane,
} from './control-plane/start-control-plane.ts';
