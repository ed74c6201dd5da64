export { type FixedClock, fixedClock } from './clock.ts';
export {
  type FakeCluster,
  type FakeControlPlane,
  fakeControlPlane,
  type FakeResource,
  type ReceivedRequest,
} from './fake-control-plane.ts';
export { runToolHere, type ToolOptions, type ToolOutcome } from './run-tool-here.ts';
export { sequentialIds } from './ids.ts';
export { type TestNats, testNats } from './nats.ts';
export { type TestPostgres, testPostgres } from './postgres.ts';
export { type ProcessSpec, type RunningProcess, startProcess } from './stack/child-process.ts';
export { type CommandOptions, type Finished, mustRun, runCommand } from './stack/run-command.ts';
export {
  type SeparateStack,
  type ServiceName,
  services,
  startSeparately,
  type Victim,
  victims,
} from './stack/separate-stack.ts';
export { plain, root, type Tools, toolsFor } from './stack/tools.ts';
export { type Patience, until } from './stack/until.ts';
export { temporaryFolder } from './temporary-folder.ts';
