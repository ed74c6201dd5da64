import { version } from '@postern/core';
import type { Exchange } from '../listen/exchange.ts';
import { refuseApi, sendJson } from '../listen/refuse.ts';
import { MethodNotAllowed } from '../request/request-info.ts';
import { NoSuchRoute } from './api-front.ts';

/** What anybody may know of this edge before logging in. */
export interface WebApiFacts {
  readonly clusterName: () => string;
  /** host:port that clients use. */
  readonly publicAddress: () => string;
}

/** Answers `/webapi/ping`, `/webapi/ping/<connector>` and `/webapi/find`, each also below `/v1`. */
export function webApi(exchange: Exchange, segments: readonly string[], facts: WebApiFacts): void {
  if (exchange.method !== 'GET' && exchange.method !== 'HEAD') {
    refuseApi(exchange.answer, MethodNotAllowed(exchange.method));
    return;
  }
  const [route, connector, ...rest] = segments;
  if (route === 'find' && connector === undefined) sendJson(exchange.answer, 200, describe(facts));
  else if (route === 'ping' && connector === undefined)
    sendJson(exchange.answer, 200, { auth: auth(), ...describe(facts) });
  else if (route === 'ping' && rest.length === 0) {
    sendJson(exchange.answer, 404, {
      error: { message: `connector ${JSON.stringify(connector)} not found` },
    });
  } else refuseApi(exchange.answer, NoSuchRoute());
}

function describe({ clusterName, publicAddress }: WebApiFacts) {
  const address = publicAddress();
  return {
    proxy: {
      kube: { enabled: true, public_addr: address, listen_addr: address },
      ssh: { listen_addr: '', tunnel_listen_addr: '', web_listen_addr: address, public_addr: address },
      tls_routing_enabled: true,
    },
    server_version: version,
    min_client_version: version,
    cluster_name: clusterName(),
    automatic_upgrades: false,
    auto_update: {
      tools_version: version,
      tools_auto_update: false,
      agent_version: version,
      agent_auto_update: false,
      agent_update_jitter_seconds: 0,
    },
    edition: 'community',
    fips: false,
  };
}

function auth() {
  return {
    type: 'local',
    second_factor: 'off',
    allow_passwordless: false,
    allow_headless: false,
    local: { name: '' },
    private_key_policy: 'none',
    has_message_of_the_day: false,
  };
}
