export { assertNever } from './assert-never.ts';
export { type Clock, systemClock } from './clock.ts';
export { formatDuration, InvalidDuration, parseDuration } from './duration.ts';
export {
  AppError,
  type Failure,
  failure,
  type FailureKind,
  failureKinds,
  messageOf,
  toAppError,
  Unexpected,
} from './errors.ts';
export { derivedUuid, isUuid, randomHex, sha256Hex, uuidv7 } from './ids.ts';
export { canonicalJson, InvalidJson, isPlainObject, type Json, type JsonObject, parseJson } from './json.ts';
export { delay, untilSignalled } from './lifecycle.ts';
export { Secret } from './secret.ts';
export { version } from './version.ts';
