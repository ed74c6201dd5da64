import { isPlainObject, parseJson } from '@postern/core';
import { type Fields, InvalidResource } from './fields.ts';

/** Which service accounts of which cluster may join. */
export interface KubernetesJoin {
  readonly type: 'in_cluster' | 'static_jwks' | 'oidc';
  readonly allow: readonly { readonly service_account: string }[];
  readonly static_jwks?: { readonly jwks: string };
  readonly oidc?: { readonly issuer: string; readonly insecure_allow_http_issuer?: boolean };
}

/** Reads the `kubernetes` block of a token. */
export function readKubernetesJoin(fields: Fields): KubernetesJoin {
  const allow = readAllow(fields);
  const type = readType(fields);
  const jwks = fields.mapping('static_jwks');
  const oidc = fields.mapping('oidc');
  fields.end();
  if (type !== 'static_jwks' && jwks)
    throw InvalidResource(`static_jwks: must not be set when type is "${type}"`);
  if (type !== 'oidc' && oidc) throw InvalidResource(`oidc: must not be set when type is "${type}"`);
  if (type === 'static_jwks') return { type, allow, static_jwks: readJwks(jwks) };
  return type === 'oidc' ? { type, allow, oidc: readOidc(oidc) } : { type, allow };
}

function readType(fields: Fields): KubernetesJoin['type'] {
  const type = fields.string('type') || 'in_cluster';
  if (type === 'in_cluster' || type === 'static_jwks' || type === 'oidc') return type;
  throw InvalidResource(
    `type: ${JSON.stringify(type.slice(0, 40))} is not supported; use in_cluster, static_jwks or oidc`,
  );
}

function readAllow(fields: Fields): { service_account: string }[] {
  const rules = fields.mappings('allow');
  if (rules.length === 0) throw InvalidResource('allow: at least one rule must be set');
  return rules.map((rule, index) => {
    const account = rule.string('service_account');
    rule.end();
    if (!account)
      throw InvalidResource(`allow[${index}].service_account: name of service account must be set`);
    if (!/^[^:\s]+:[^:\s]+$/.test(account)) {
      throw InvalidResource(
        `allow[${index}].service_account: name of service account should be in format "namespace:service_account", ` +
          `got ${JSON.stringify(account.slice(0, 200))} instead`,
      );
    }
    return { service_account: account };
  });
}

function readJwks(fields: Fields | undefined): { jwks: string } {
  if (!fields) throw InvalidResource('static_jwks: must be set when type is "static_jwks"');
  const jwks = fields.string('jwks')?.trim();
  fields.end();
  if (!jwks) throw InvalidResource('static_jwks.jwks: must be set when type is "static_jwks"');
  if (!isPublicKeySet(jwks)) throw InvalidResource('static_jwks.jwks: must be a JSON key set of public keys');
  return { jwks };
}

function isPublicKeySet(text: string): boolean {
  try {
    const set = parseJson(text);
    const keys: unknown = isPlainObject(set) ? set['keys'] : undefined;
    return (
      Array.isArray(keys) &&
      keys.length > 0 &&
      keys.every((key) => isPlainObject(key) && !('d' in key) && !('k' in key))
    );
  } catch {
    return false;
  }
}

function readOidc(fields: Fields | undefined): NonNullable<KubernetesJoin['oidc']> {
  if (!fields) throw InvalidResource('oidc: must be set when type is "oidc"');
  const issuer = fields.string('issuer');
  const allowHttp = fields.boolean('insecure_allow_http_issuer') ?? false;
  fields.end();
  if (!issuer) throw InvalidResource('oidc.issuer: must be set when type is "oidc"');
  const protocol = URL.parse(issuer)?.protocol;
  if (protocol !== 'https:' && !(allowHttp && protocol === 'http:')) {
    throw InvalidResource('oidc.issuer: must be an https URL, or http with insecure_allow_http_issuer');
  }
  return { issuer, ...(allowHttp ? { insecure_allow_http_issuer: true } : {}) };
}
