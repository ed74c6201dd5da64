import { StatusReply, TrustReply } from '@postern/contracts';
import { version } from '@postern/core';
import { route } from '@postern/http';
import { caPin, splitPem } from '@postern/identity';
import type { JoinDeps } from '../deps.ts';
import { rotationView } from '../rotation/routes.ts';

/** Whom to trust. Public: whoever asks must already know the pin of what he is told here. */
export const trustRoute = route<JoinDeps>()({
  method: 'GET',
  url: '/v1/trust',
  allow: 'public',
  reply: TrustReply,
  handle: ({ certifier: { authorities }, trust }) => ({
    clusterName: authorities.clusterName,
    hostCa: authorities.hostCa,
    userCa: authorities.userCa,
    caPins: splitPem(authorities.hostCa).map(caPin),
    formerHostCa: authorities.formerHostCa,
    statements: [...trust.statements],
  }),
});

export const statusRoute = route<JoinDeps>()({
  method: 'GET',
  url: '/v1/status',
  allow: 'authenticated',
  reply: StatusReply,
  handle: async (deps, { principal: { type } }) => {
    const { clusterName, hostCa } = deps.certifier.authorities;
    const caPins = splitPem(hostCa).map(caPin);
    const isPerson = type === 'user' || type === 'bot';
    return { clusterName, version, caPins, ...(isPerson ? { rotation: await rotationView(deps) } : {}) };
  },
});
