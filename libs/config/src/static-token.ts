import { maskedName, tokenRoles } from '@postern/contracts';
import { sha256Hex } from '@postern/core';

/** A token of the configuration: who knows its value joins by the method `token`, in its roles, until it is taken out of there. */
export interface StaticToken {
  /** SHA-256 of its value, hex. The value itself is not kept. */
  readonly id: string;
  readonly roles: readonly string[];
}

/** Shorter ones can be guessed from their hash, if not from trying. */
const minLength = 16;
const maxLength = 512;
const hashed = /^sha256:([0-9a-f]{64})$/;

/**
 * Reads `role,role:value`, where the value may be `sha256:` and the hash of one. `resolve` says what a value stands for, such as the
 * content of the file that it names. No message repeats a value.
 */
export function readStaticToken(
  text: string,
  resolve: (value: string) => string = (value) => value,
): StaticToken {
  const at = text.indexOf(':');
  if (at < 1) throw new Error('must be like node,kube:value');
  const roles = text
    .slice(0, at)
    .split(',')
    .map((role) => roleNamed(role.trim()));
  const value = resolve(text.slice(at + 1).trim());
  const [, hash] = hashed.exec(value) ?? [];
  if (hash !== undefined) return { id: hash, roles: [...new Set(roles)] };
  if (value.length < minLength || value.length > maxLength)
    throw new Error(
      `must have a value of ${minLength} to ${maxLength} characters, as openssl rand -hex 16 makes one`,
    );
  return { id: sha256Hex(value), roles: [...new Set(roles)] };
}

/** The line that stands for a token in a file, without its value. */
export function staticTokenLine({ id, roles }: StaticToken): string {
  return `${roles.join(',').toLowerCase()}:sha256:${id}`;
}

/** A token may be of any role but Auth, which is that of the services of the control plane. */
function roleNamed(text: string): string {
  const role = tokenRoles.find((known) => known.toLowerCase() === text.toLowerCase());
  // What stands there may be a value whose roles were forgotten.
  if (!role) throw new Error(`must begin with roles: ${maskedName(text.slice(0, 64))} is none`);
  if (role === 'Auth') throw new Error('the role auth is not for static tokens: use POSTERN_JOIN_TOKEN_FILE');
  return role;
}
