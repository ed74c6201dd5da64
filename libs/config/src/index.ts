export { readBoolean } from './boolean.ts';
export { common } from './common-fields.ts';
export { type Environment, type Field, type FieldOptions, field, optional } from './field.ts';
export {
  address,
  addresses,
  duration,
  flag,
  httpsUrls,
  integer,
  list,
  oneOf,
  secretText,
  text,
} from './fields.ts';
export { formatAddress, type NetworkAddress, readAddress } from './network-address.ts';
export { type ConfigOf, type ConfigSchema, fieldsOf, InvalidEnvironment, readConfig } from './read-config.ts';
export { secretFile } from './secret-file.ts';
export { readStaticToken, type StaticToken, staticTokenLine } from './static-token.ts';
export { type AwsMatcher, readAwsMatcher } from './teleport/aws-matcher.ts';
export { readKubernetesAppMatcher } from './teleport/discovery-section.ts';
export { readTeleportYaml } from './teleport/read-teleport-yaml.ts';
export { textOrFile } from './teleport/text-or-file.ts';
export { InvalidTeleportYaml } from './teleport/section.ts';
export type {
  AuthSection,
  DiscoverySection,
  JoinSection,
  KubernetesAppMatcher,
  KubernetesSection,
  LabelCommand,
  LogSection,
  ProxySection,
  ResourceMatcher,
  TeleportConfig,
  TeleportSection,
  UnservedService,
} from './teleport/teleport-config.ts';
