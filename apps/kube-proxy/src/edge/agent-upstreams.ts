import type { ConnectionOptions } from 'node:tls';
import { clientTls, type HeldIdentity, serverCheck } from '@postern/identity';
import { Pool } from 'undici';
import { type HttpServer, HttpUpstream } from '../forward/http-upstream.ts';
import type { UpgradeUpstream } from '../forward/upstream.ts';

type ServerCheck = NonNullable<ConnectionOptions['checkServerIdentity']>;

/** Connections to agents by mutual TLS. An agent is recognised by its id, wherever it says it can be reached. */
export class AgentUpstreams implements AsyncDisposable {
  readonly #held: HeldIdentity;
  readonly #pools = new Map<string, HttpServer & { readonly upstream: UpgradeUpstream }>();
  readonly #stop: () => void;

  constructor(held: HeldIdentity) {
    this.#held = held;
    this.#stop = held.onChange(() => this.#retire());
  }

  of(agentId: string, address: string): UpgradeUpstream {
    const key = `${agentId} ${address}`;
    const known = this.#pools.get(key);
    if (known) return known.upstream;
    const server = this.#open(agentId, address);
    const upstream = new HttpUpstream(server);
    this.#pools.set(key, { ...server, upstream });
    return upstream;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    const pools = [...this.#pools.values()].flatMap(({ requests, streams }) => [requests, streams]);
    this.#pools.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #open(agentId: string, address: string): HttpServer {
    const checkServerIdentity = isAgent(this.#held, agentId);
    const tls = { ...clientTls(this.#held, { servername: agentId }), checkServerIdentity };
    const options: Pool.Options = {
      connect: { ...tls, timeout: 3000 } as NonNullable<Pool.Options['connect']>,
      allowH2: false,
      pipelining: 1,
      keepAliveTimeout: 60_000,
      keepAliveMaxTimeout: 60_000,
      bodyTimeout: 0,
      maxHeaderSize: 65_536,
    };
    const origin = `https://${address}`;
    return {
      origin,
      host: agentId,
      basePath: '',
      requests: new Pool(origin, options),
      streams: new Pool(origin, options),
      tls: { ...tls, ...hostAndPort(address) },
    };
  }

  /** A renewed certificate is used from the next connection on; requests under way keep theirs. */
  #retire(): void {
    const old = [...this.#pools.values()];
    this.#pools.clear();
    for (const { requests, streams } of old) {
      void requests.close();
      void streams.close();
    }
  }
}

/** A process that also has control plane roles is certified as a service; its id is unique all the same. */
function isAgent(held: HeldIdentity, id: string): ServerCheck {
  const trust = () => held.trust();
  const asAgent = serverCheck(trust, { type: 'agent', role: 'Kube', id });
  const asService = serverCheck(trust, { type: 'svc', role: 'Kube', id });
  return (host, certificate) => {
    const refusal = asAgent(host, certificate);
    return refusal && asService(host, certificate) ? refusal : undefined;
  };
}

function hostAndPort(address: string): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(address.slice(colon + 1)),
  };
}
