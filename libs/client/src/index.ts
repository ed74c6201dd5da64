export { type Api, type InventoryStatus, openApi, type Ping } from './api.ts';
export { kubeServer, type KubeEndpoint } from './kube-endpoint.ts';
export {
  dataDirOf,
  type IdentityChoice,
  IdentityMissing,
  type LocatedIdentity,
  locateIdentity,
  NotLoggedIn,
  ProxyUnknown,
} from './locate-identity.ts';
export { Locked, withLock } from './lock.ts';
export { IdentityExpired, type OpenIdentity, openIdentity } from './open-identity.ts';
export {
  FileExists,
  FileNotWritten,
  inspectDestination,
  type PrivateFileOptions,
  UnsafeDestination,
  writePrivateFile,
} from './private-file.ts';
export {
  type Environment,
  type Profile,
  profileHome,
  readProfile,
  readProfiles,
  removeProfile,
  writeProfile,
} from './profile.ts';
export { hostOf, InvalidProxyAddress, proxyAddress } from './proxy-address.ts';
export { type ResourceDocument, type ResourcesApi, UnreadableAnswer, type Written } from './resources.ts';
export type { TransportOptions } from './transport.ts';
