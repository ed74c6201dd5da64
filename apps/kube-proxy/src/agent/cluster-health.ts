import { type ClusterCondition, type ServedCluster, unknownCondition } from '@postern/contracts';
import { type ApiServer, checkHealth, readVersion } from '@postern/kube';
import type { Logger } from '@postern/telemetry';

/** What is known of the state of a cluster. */
export interface ClusterState {
  readonly health: ServedCluster['health'];
  readonly condition: ClusterCondition;
  readonly version: string;
}

export interface ClusterHealthDeps {
  readonly log: Logger;
  readonly server: ApiServer;
  readonly cluster: string;
  /** Told whenever the state is another. */
  readonly changed: (reason: string) => void;
}

const checkMs = 30_000;
const firstRetryMs = 1000;
/** An API server changes its version rarely, so it is asked for it at one check of so many. */
const checksPerVersion = 20;
const maxMessage = 300;

/**
 * Checks a cluster every half minute, and one that is not well after a second, two, four and so on: an agent that starts before
 * its API server must not leave a hole of minutes.
 */
export class ClusterHealth {
  readonly #deps: ClusterHealthDeps;
  readonly #closing = new AbortController();
  #state: ClusterState = { health: 'offline', condition: unknownCondition, version: '' };
  #timer: NodeJS.Timeout | undefined;
  #retryMs = firstRetryMs;
  #checks = 0;

  constructor(deps: ClusterHealthDeps) {
    this.#deps = deps;
  }

  get state(): ClusterState {
    return this.#state;
  }

  start(): void {
    void this.#check();
  }

  stop(): void {
    this.#closing.abort();
    clearTimeout(this.#timer);
  }

  async #check(): Promise<void> {
    const { server } = this.#deps;
    const { signal } = this.#closing;
    await server.reload();
    const { condition, isReachable } = await checkHealth(server, signal);
    // Whoever tells who we are may also know that the server is somewhere else now.
    if (!isReachable) server.credentials.refused();
    const version = isReachable ? await this.#version() : this.#state.version;
    if (signal.aborted) return;
    const health = isReachable ? 'online' : 'offline';
    this.#become({
      health,
      condition: { ...condition, message: condition.message.slice(0, maxMessage) },
      version,
    });
    this.#again(condition.state === 'healthy');
  }

  async #version(): Promise<string> {
    const { version } = this.#state;
    this.#checks += 1;
    if (version !== '' && this.#checks % checksPerVersion !== 0) return version;
    return readVersion(this.#deps.server, this.#closing.signal).catch(() => version);
  }

  #again(isHealthy: boolean): void {
    const afterMs = isHealthy ? checkMs : this.#retryMs;
    this.#retryMs = isHealthy ? firstRetryMs : Math.min(this.#retryMs * 2, checkMs);
    // Five hundred clusters that were opened together are not checked together for ever.
    this.#timer = setTimeout(() => void this.#check(), afterMs * (0.9 + Math.random() * 0.2));
    this.#timer.unref();
  }

  #become(next: ClusterState): void {
    const before = this.#state;
    const isSame =
      next.health === before.health &&
      next.version === before.version &&
      next.condition.state === before.condition.state &&
      next.condition.message === before.condition.message;
    if (isSame) return;
    this.#state = next;
    if (
      next.condition.reason !== before.condition.reason ||
      next.condition.message !== before.condition.message
    )
      this.#tell(next);
    this.#deps.changed(next.condition.state);
  }

  #tell({ health, condition: { state, reason, message } }: ClusterState): void {
    const { log, cluster } = this.#deps;
    if (state === 'unhealthy')
      log.warn('a cluster is not healthy', { cluster, health, reason, why: message });
    else if (message !== '') log.warn('a cluster is healthy, but', { cluster, reason, why: message });
    else log.info('a cluster is healthy', { cluster });
  }
}
