export {
  AddressRefused,
  ApiServer,
  type ApiServerRules,
  type ApiServerSettings,
  InvalidServer,
} from './api-server.ts';
export { inClusterSettings, serviceAccountDir } from './in-cluster.ts';
export { ApiServerUnreachable, missingImpersonation, readVersion } from './probe.ts';
export { statusBody, statusCode, type StatusDetails, statusOf } from './status.ts';
