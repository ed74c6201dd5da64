import { setTimeout as delay } from 'node:timers/promises';
import {
  CoreV1Api,
  type Informer,
  KubeConfig,
  makeInformer,
  type V1ConfigMap,
} from '@kubernetes/client-node';
import { messageOf } from '@postern/core';
import { until } from '@postern/testkit';

/** What is watched, and by whom. */
export interface Informing {
  /** Of somebody who is at the API server itself and changes things there. */
  readonly directKubeconfig: string;
  readonly kubeconfig: string;
  readonly namespace: string;
  /** Of the names of what is made. */
  readonly prefix: string;
  readonly everyMs: number;
  readonly signal: AbortSignal;
}

/** How informers have done. */
export interface Informed {
  readonly made: number;
  readonly removed: number;
  /** Events that informers told, all together. */
  readonly events: number;
  /** Times an informer was cut and began again. */
  readonly restarts: number;
  /** Changes that an informer never told. */
  readonly missed: readonly string[];
}

/** Informers that run. */
export interface RunningInformers {
  /** Ends the changes, waits until all informers have told all of them, for a bounded time, and ends these too. */
  finish(): Promise<Informed>;
}

const informers = 2;
/** So many objects are there at a time: each for longer than any informer is away. */
const kept = 60;
const restartMs = 300;
const catchUpMs = 30_000;

/** Makes and removes config maps at the API server, and has informers that must tell of each of them. */
export async function startInformers(informing: Informing): Promise<RunningInformers> {
  const changes = { made: 0, removed: 0 };
  const all = Array.from({ length: informers }, () => new SteadyInformer(informing));
  for (const informer of all) await informer.start();
  const changing = change(informing, changes);
  return {
    async finish() {
      await changing;
      const missed = () => all.flatMap((informer, at) => informer.missed(changes, at));
      await until('informers have seen everything', () => missed().length === 0, {
        withinMs: catchUpMs,
      }).catch(() => undefined);
      await Promise.all(all.map((informer) => informer.stop()));
      return {
        ...changes,
        events: all.reduce((sum, { events }) => sum + events, 0),
        restarts: all.reduce((sum, { restarts }) => sum + restarts, 0),
        missed: missed(),
      };
    },
  };
}

interface Changes {
  made: number;
  removed: number;
}

async function change(
  { directKubeconfig, namespace, prefix, everyMs, signal }: Informing,
  changes: Changes,
): Promise<void> {
  const config = new KubeConfig();
  config.loadFromFile(directKubeconfig);
  const api = config.makeApiClient(CoreV1Api);
  while (!signal.aborted) {
    await api.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name: nameOf(prefix, changes.made) } },
    });
    changes.made += 1;
    if (changes.made - changes.removed > kept) {
      await api.deleteNamespacedConfigMap({ namespace, name: nameOf(prefix, changes.removed) });
      changes.removed += 1;
    }
    await delay(everyMs, undefined, { signal }).catch(() => undefined);
  }
}

function nameOf(prefix: string, count: number): string {
  return `${prefix}-seen-${count}`;
}

/** An informer that is started again whenever it fails, as controllers do. */
class SteadyInformer {
  readonly #informer: Informer<V1ConfigMap>;
  readonly #prefix: string;
  readonly #added = new Set<string>();
  readonly #removed = new Set<string>();
  #isOver = false;
  events = 0;
  restarts = 0;

  constructor({ kubeconfig, namespace, prefix }: Informing) {
    this.#prefix = prefix;
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const api = config.makeApiClient(CoreV1Api);
    const path = `/api/v1/namespaces/${namespace}/configmaps`;
    this.#informer = makeInformer(config, path, () => api.listNamespacedConfigMap({ namespace }));
    this.#informer.on('add', (object) => this.#note(this.#added, object));
    this.#informer.on('update', () => (this.events += 1));
    this.#informer.on('delete', (object) => this.#note(this.#removed, object));
    this.#informer.on('error', () => void this.#again());
  }

  async start(): Promise<void> {
    await this.#informer.start();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#informer.stop();
  }

  missed({ made, removed }: Changes, at: number): string[] {
    const lacking = (count: number, told: ReadonlySet<string>, what: string) =>
      Array.from({ length: count }, (_, number) => nameOf(this.#prefix, number))
        .filter((name) => !told.has(name))
        .map((name) => `informer ${at} was never told that ${name} was ${what}`);
    return [...lacking(made, this.#added, 'made'), ...lacking(removed, this.#removed, 'removed')];
  }

  #note(names: Set<string>, { metadata }: V1ConfigMap): void {
    this.events += 1;
    names.add(metadata?.name ?? '');
  }

  async #again(): Promise<void> {
    if (this.#isOver) return;
    this.restarts += 1;
    await delay(restartMs);
    // It tells of a failure of its start as of any other.
    if (!this.#isOver) await this.#informer.start().catch((error: unknown) => messageOf(error));
  }
}
