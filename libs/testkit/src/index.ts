export { AwsAccounts, type AwsPrincipal, type AwsRole, sessionOf } from './aws/accounts.ts';
export { type AwsRig, startAws, type StsCall } from './aws/aws-rig.ts';
export { type Ec2Call, type Ec2Instance, Ec2State } from './aws/ec2.ts';
export {
  type EksAuthenticator,
  type KubeIdentity,
  startEksAuthenticator,
  whoSigned,
} from './aws/eks-authenticator.ts';
export { eksMisbehaviours } from './aws/eks-misbehaviour.ts';
export { type EksCall, type EksCluster, type EksPlace, EksState } from './aws/eks-state.ts';
export { type Misbehaviour, misbehaviours } from './aws/misbehaviour.ts';
export { type IssuedKey, type SignedRequest, signRequest } from './aws/signature.ts';
export { type FixedClock, fixedClock } from './clock.ts';
export {
  type FakeCluster,
  type FakeControlPlane,
  fakeControlPlane,
  type FakeResource,
  type ReceivedRequest,
} from './control-plane/fake-control-plane.ts';
export { runToolHere, type ToolOptions, type ToolOutcome } from './run-tool-here.ts';
export { sequentialIds } from './ids.ts';
export { type MemoryParking, memoryParking } from './memory-parking.ts';
export { type TestNats, testNats } from './nats.ts';
export { type TestPostgres, testPostgres } from './postgres.ts';
export { type ProcessSpec, type RunningProcess, startProcess } from './stack/child-process.ts';
export { type CommandOptions, type Finished, mustRun, runCommand } from './stack/run-command.ts';
export { fakeTimeLibrary } from './stack/fake-time.ts';
export { type Balancer, startBalancer } from './stack/balancer.ts';
export { type HttpProxy, type ProxyNames, startHttpProxy } from './stack/http-proxy.ts';
export { type Link, type LinkState, openLink } from './stack/link.ts';
export type { LinkName, Links } from './stack/links.ts';
export {
  type SeparateStack,
  type StackOptions,
  startSeparately,
  type Victim,
  victims,
} from './stack/separate-stack.ts';
export { type ServiceName, services } from './stack/service-env.ts';
export type { NatsServers, SharedServer } from './stack/shared-servers.ts';
export { startTlsFront, type TlsFront } from './stack/tls-front.ts';
export { plain, root, type Tools, toolsFor } from './stack/tools.ts';
export { type Patience, until } from './stack/until.ts';
export { temporaryFolder } from './temporary-folder.ts';
