import { type IncomingMessage, request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Clock, failure, messageOf, toAppError } from '@postern/core';
import type { Principal } from '@postern/identity';
import type { Logger } from '@postern/telemetry';
import { refuseUpgrade } from '../forward/upgrade.ts';
import type { UpgradeExchange } from '../listen/tls-front.ts';
import type { UpgradeAnswer } from '../listen/upgrade-answer.ts';
import { authenticate } from '../request/authenticate.ts';
import { readClientHeaders } from '../request/client-headers.ts';
import { AgentStopped, type LockOnAgent } from './agent-lock.ts';
import { NoSuchRoute } from './api-front.ts';

/** People and services have no business on the bus through here. */
export const AgentsOnly = failure(
  'permission_denied',
  'edge.agents_only',
  () => 'only an agent may open the bus on the public address',
);

export const TooManyBusConnections = failure(
  'resource_exhausted',
  'edge.too_many_bus_connections',
  (max: number) => `this agent has ${max} connections to the bus already; close one first`,
);

export const NotAWebSocket = failure(
  'invalid_argument',
  'edge.not_a_web_socket',
  () => 'the bus speaks through WebSockets of version 13 and nothing else',
);

export const BusUnreachable = failure(
  'unavailable',
  'edge.bus_unreachable',
  () => 'the bus cannot be reached now; try again later',
);

export interface BusFrontDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** WebSocket listeners of the NATS servers, `wss://host:port`; none where the bus is not offered here. */
  readonly servers: readonly string[];
  /** PEM of the authority of their certificates, where it is a private one. */
  readonly ca: () => string | undefined;
  readonly lockOnAgent: LockOnAgent;
}

/** One connection of an agent. */
interface Connected extends Pick<Principal, 'joinToken'> {
  readonly answer: UpgradeAnswer;
}

/** A process has one connection, and for a moment two when its credential was renewed. */
const maxPerAgent = 4;
const answerTimeoutMs = 5000;

/**
 * The bus on the public address: a WebSocket for agents, passed on to a NATS server byte by byte. The certificate only opens
 * the way; who an agent is on the bus and what it may do there is between its NATS credential and the server, and so are the
 * limits of messages.
 */
export class BusFront {
  readonly #deps: BusFrontDeps;
  readonly #open = new Map<string, Set<Connected>>();
  #turn = 0;

  constructor(deps: BusFrontDeps) {
    this.#deps = deps;
  }

  upgrade(exchange: UpgradeExchange): void {
    try {
      if (this.#deps.servers.length === 0) throw NoSuchRoute();
      const { id, joinToken } = this.#agentOf(exchange);
      const headers = handshakeOf(exchange);
      const { answer } = exchange;
      const connected = joinToken === undefined ? { answer } : { answer, joinToken };
      this.#take(id, connected);
      answer.onClose(() => this.#give(id, connected));
      this.#join(exchange, headers, this.#deps.servers.length);
    } catch (error) {
      refuseUpgrade(exchange.answer, toAppError(error));
    }
  }

  /** Ends the connections of agents that a lock is on. */
  cutLocked(): void {
    for (const [agentId, connections] of this.#open) {
      for (const { joinToken, answer } of connections)
        if (this.#deps.lockOnAgent(agentId, joinToken)) answer.close();
    }
  }

  #agentOf({ peer }: UpgradeExchange): Principal {
    const principal = authenticate(peer, this.#deps.clock());
    if (principal.type !== 'agent') throw AgentsOnly();
    const lock = this.#deps.lockOnAgent(principal.id, principal.joinToken);
    if (lock) throw AgentStopped(lock);
    return principal;
  }

  #take(agentId: string, connected: Connected): void {
    const open = this.#open.get(agentId) ?? new Set();
    if (open.size >= maxPerAgent) throw TooManyBusConnections(maxPerAgent);
    this.#open.set(agentId, open.add(connected));
  }

  #give(agentId: string, connected: Connected): void {
    const open = this.#open.get(agentId);
    open?.delete(connected);
    if (open?.size === 0) this.#open.delete(agentId);
  }

  #join(exchange: UpgradeExchange, headers: readonly string[], attempts: number): void {
    const { servers, log } = this.#deps;
    const server = servers[this.#turn++ % servers.length]!;
    const request = this.#ask(new URL(server), headers);
    const client = exchange.answer;
    let isSettled = false;
    const giveUp = (reason: string) => {
      if (isSettled) return;
      isSettled = true;
      request.destroy();
      if (client.isClosed) return;
      log.warn('a NATS server did not take an agent', { server, reason });
      if (attempts > 1) this.#join(exchange, headers, attempts - 1);
      else refuseUpgrade(client, BusUnreachable());
    };
    client.onClose(() => request.destroy());
    request.once('upgrade', (response, joined: Socket, head: Buffer) => {
      const accept = response.headers['sec-websocket-accept'];
      const isRight = response.headers.upgrade?.toLowerCase() === 'websocket';
      if (!isRight || !accept || !/^[A-Za-z0-9+/=]{28}$/.test(accept)) {
        giveUp('it switched to something else');
        return;
      }
      isSettled = true;
      joined.setTimeout(0);
      pass(client, { joined, head, accept });
    });
    request.once('response', ({ statusCode }: IncomingMessage) => giveUp(`status ${statusCode}`));
    request.once('timeout', () => giveUp('it did not answer in time'));
    request.once('error', (error) => giveUp(messageOf(error)));
    request.end();
  }

  #ask({ protocol, hostname, port }: URL, headers: readonly string[]) {
    const isEncrypted = protocol === 'wss:';
    const ca = this.#deps.ca();
    const options: RequestOptions & { ca?: string } = {
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: port === '' ? (isEncrypted ? 443 : 80) : Number(port),
      path: '/',
      headers: ['host', `${hostname}:${port}`, 'connection', 'Upgrade', 'upgrade', 'websocket', ...headers],
      agent: false,
      timeout: answerTimeoutMs,
      ...(isEncrypted && ca !== undefined ? { ca } : {}),
    };
    return (isEncrypted ? httpsRequest : httpRequest)(options);
  }
}

/** The handshake as it goes on: rebuilt from what it must have, without extensions, origin or anything else of the client. */
function handshakeOf({ method, rawHeaders, peer }: UpgradeExchange): string[] {
  const { upgrade, handshake } = readClientHeaders(rawHeaders);
  const valuesOf = (name: string) => handshake.filter((_, at) => at % 2 === 1 && handshake[at - 1] === name);
  const [key, ...moreKeys] = valuesOf('sec-websocket-key');
  const isRight =
    method === 'GET' &&
    upgrade?.toLowerCase() === 'websocket' &&
    valuesOf('sec-websocket-version').join() === '13' &&
    moreKeys.length === 0 &&
    /^[A-Za-z0-9+/]{22}==$/.test(key ?? '');
  if (!isRight) throw NotAWebSocket();
  return ['sec-websocket-version', '13', 'sec-websocket-key', key!, 'x-forwarded-for', peer.address];
}

interface Joined {
  readonly joined: Duplex;
  readonly head: Buffer;
  readonly accept: string;
}

function pass(client: UpgradeAnswer, { joined, head, accept }: Joined): void {
  joined.on('error', () => undefined);
  client.onClose(() => joined.destroy());
  joined.once('close', () => client.close());
  const stream = client.join('websocket', ['sec-websocket-accept', accept]);
  if (head.length > 0) joined.unshift(head);
  joined.pipe(stream);
  stream.pipe(joined);
}
