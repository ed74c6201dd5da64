import { StatusReply, TrustReply } from '@postern/contracts';
import { version } from '@postern/core';
import { route } from '@postern/http';
import { caPin } from '@postern/identity';
import type { JoinDeps } from '../deps.ts';

/** Whom to trust. Public: whoever asks must already know the pin of what he is told here. */
export const trustRoute = route<JoinDeps>()({
  method: 'GET',
  url: '/v1/trust',
  allow: 'public',
  reply: TrustReply,
  handle: ({ certifier: { authorities } }) => ({
    clusterName: authorities.host.clusterName,
    hostCa: authorities.host.certificate,
    userCa: authorities.user.certificate,
    caPins: [caPin(authorities.host.certificate)],
  }),
});

export const statusRoute = route<JoinDeps>()({
  method: 'GET',
  url: '/v1/status',
  allow: 'authenticated',
  reply: StatusReply,
  handle: ({ certifier: { authorities } }) => ({
    clusterName: authorities.host.clusterName,
    version,
    caPins: [caPin(authorities.host.certificate)],
  }),
});
