import type { ImpersonationRequest } from '@postern/access';
import { failure } from '@postern/core';

/** The user and groups a request acts as at the API server. */
export interface Impersonation {
  readonly user: string;
  readonly groups: readonly string[];
}

export const UnsupportedImpersonation = failure(
  'permission_denied',
  'kube.unsupported_impersonation_header',
  (name: string) =>
    `impersonation request has been denied, unsupported impersonation header ${JSON.stringify(name)}`,
);

export const ImpersonatedUserInvalid = failure(
  'permission_denied',
  'kube.invalid_impersonation_user',
  () => 'impersonation request has been denied, invalid user header: send exactly one value',
);

/** As the API server does it. Groups for whoever one is would be read differently by the next server on the way. */
export const GroupWithoutUser = failure(
  'permission_denied',
  'kube.impersonation_without_user',
  () =>
    'impersonation request has been denied, group header without a user header: name the user too (kubectl --as)',
);

const nothingAsked: ImpersonationRequest = {};

/** Reads the client's impersonation headers, name and value in turn. Uid and extras would need rules nobody can write. */
export function readAskedImpersonation(headers: readonly string[]): ImpersonationRequest {
  if (headers.length === 0) return nothingAsked;
  const user: string[] = [];
  const groups: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!;
    const value = utf8(headers[at + 1]!);
    if (name === 'impersonate-user') user.push(value);
    else if (name === 'impersonate-group') groups.push(value);
    else throw UnsupportedImpersonation(name);
  }
  if (user.length > 1) throw ImpersonatedUserInvalid();
  if (user.length === 0 && groups.length > 0) throw GroupWithoutUser();
  // kubectl sends no empty value; other clients do when they mean none.
  return { ...(user[0] ? { user } : {}), ...(groups.length > 0 ? { groups: [...new Set(groups)] } : {}) };
}

/** Impersonation headers, name and value in turn: one line for each group, values as UTF-8. */
export function impersonationHeaders({ user, groups }: Impersonation): string[] {
  const headers = ['impersonate-user', latin1(user)];
  for (const group of groups) headers.push('impersonate-group', latin1(group));
  return headers;
}

// Node reads and writes header values as Latin-1, one character for each byte.
const utf8 = (text: string) => Buffer.from(text, 'latin1').toString('utf8');
const latin1 = (text: string) => (isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1'));
const isAscii = (text: string) => /^[\x20-\x7e]*$/.test(text);
