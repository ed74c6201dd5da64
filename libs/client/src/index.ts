export { type Api, type InventoryStatus, type KubeServer, openApi, type Ping } from './api.ts';
export { type AuditApi, type AuditedRequest, type AuditedRequestRow, type PolicyAtReply } from './audit.ts';
export {
  type EventsApi,
  type EventService,
  type EventsPage,
  type EventView,
  type ParkedMessageDetail,
  type ParkedMessageView,
} from './events.ts';
export {
  type ChangeRef,
  type ChangesReply,
  type FieldChange,
  type HistoryApi,
  type ResourceChange,
  type ResourceMoment,
  type RestoreReply,
} from './history.ts';
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
export { type RecordingRow, type RecordingsApi, type RecordingView } from './recordings.ts';
export { type ResourceDocument, type ResourcesApi, UnreadableAnswer, type Written } from './resources.ts';
export type { TransportOptions } from './transport.ts';
