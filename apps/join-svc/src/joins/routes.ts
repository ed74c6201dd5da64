import { IssuedIdentity, JoinRequest, RenewRequest } from '@postern/contracts';
import { route } from '@postern/http';
import type { JoinDeps } from '../deps.ts';
import { join } from './join.ts';
import { renew } from './renew.ts';

/** Key requests are small; nothing here needs a large body. */
const bodyLimit = 32 * 1024;

/** A proof may be as large as the rest: signed documents and tokens of cloud providers are a few kilobytes. */
const joinBodyLimit = 48 * 1024;

export const joinRoute = route<JoinDeps>()({
  method: 'POST',
  url: '/v1/join',
  allow: 'public',
  body: JoinRequest,
  reply: IssuedIdentity,
  bodyLimit: joinBodyLimit,
  handle: (deps, { body, request }) => join(deps, body, request),
});

export const renewRoute = route<JoinDeps>()({
  method: 'POST',
  url: '/v1/renew',
  allow: 'agent',
  body: RenewRequest,
  reply: IssuedIdentity,
  bodyLimit,
  handle: (deps, { body, principal, request }) => renew(deps, principal, body, request),
});
