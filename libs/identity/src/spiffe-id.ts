import { failure } from '@postern/core';

/** What kind of party a principal is. People and bots are certified by the user CA, agents and services by the host CA. */
export type PrincipalType = 'user' | 'bot' | 'agent' | 'svc';

/** The name of a principal: unique in the whole cluster. */
export interface SpiffeName {
  readonly type: PrincipalType;
  readonly id: string;
  readonly clusterName: string;
}

/** A name that cannot be written into a certificate. */
export const InvalidName = failure(
  'invalid_argument',
  'identity.invalid_name',
  (what: string) => `invalid ${what}: it cannot be part of an identity`,
);

const trustDomain = /^[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?$/;
const pattern = /^spiffe:\/\/([^/]+)\/(user|bot|agent|svc)\/([A-Za-z0-9._~%-]+)$/;
const maxIdLength = 253;

/** Refuses a cluster name that is not a lower-case DNS-like name. */
export function checkClusterName(name: string): string {
  if (!trustDomain.test(name)) throw InvalidName('cluster name');
  return name;
}

/** `spiffe://<cluster>/<type>/<id>`, the id percent-encoded down to RFC 3986 unreserved characters. */
export function spiffeId({ type, id, clusterName }: SpiffeName): string {
  if (id === '' || id.length > maxIdLength || !id.isWellFormed() || hasControl(id))
    throw InvalidName(`${type} name`);
  return `spiffe://${checkClusterName(clusterName)}/${type}/${encodeId(id)}`;
}

/** Reads what `spiffeId` wrote, and nothing else: a second spelling of the same name is not accepted. */
export function parseSpiffeId(uri: string): SpiffeName | undefined {
  const [, clusterName, type, encoded] = pattern.exec(uri) ?? [];
  if (!clusterName || !type || !encoded || !trustDomain.test(clusterName)) return undefined;
  const id = decodeId(encoded);
  if (id === undefined || id.length > maxIdLength || hasControl(id) || encodeId(id) !== encoded)
    return undefined;
  return { type: type as PrincipalType, id, clusterName };
}

function encodeId(id: string): string {
  return encodeURIComponent(id).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function decodeId(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
}

function hasControl(text: string): boolean {
  return /[\u0000-\u001f\u007f-\u009f]/.test(text);
}
