export { agentClusterRole, agentGroupBinding } from './agent-access.ts';
export { ensureAgentGroup, RightsInTheWay, RightsRefused } from './ensure-agent-group.ts';
export {
  AddressRefused,
  ApiServer,
  type ApiServerRules,
  type ApiServerSettings,
  guardedLookup,
  InvalidServer,
} from './api-server.ts';
export { ChunkedReader } from './http/chunked-reader.ts';
export { fieldName, isHeadText } from './http/field-name.ts';
export { HeadReader } from './http/head-reader.ts';
export { inClusterSettings } from './in-cluster.ts';
export {
  type Authorization,
  Credentials,
  type CredentialSource,
  NoCredentialsYet,
  tokenFileSource,
} from './credentials.ts';
export { checkHealth, type ClusterCondition, type HealthCheck } from './health.ts';
export {
  ApiServerUnreachable,
  ask,
  objectOf,
  type ProbeAnswer,
  type Question,
  readVersion,
} from './probe.ts';
export {
  SecretChanged,
  SecretForbidden,
  type SecretPlace,
  type SecretText,
  secretText,
} from './secret-text.ts';
export { statusBody, statusCode, type StatusDetails, statusOf } from './status.ts';
