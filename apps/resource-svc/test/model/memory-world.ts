import { compileSelector } from '@postern/access';
import { ViewsTaken, ViewWriter } from '@postern/bus';
import { type PublicResource, type Selector, selectorHash } from '@postern/contracts';
import type { ResourceRow } from '../../src/resources/resource-table.ts';
import { type ResourceChange, type SeedRow, ViewMatcher } from '../../src/views/view-matcher.ts';
import { MemoryReader } from './memory-reader.ts';
import { MemoryStream } from './memory-stream.ts';

const kind = 'kube_cluster';

interface OpenView {
  readonly selector: Selector;
  generation: number;
  isFilled: boolean;
}

/** The one that keeps the views, and what it has been handed and not done yet. */
interface Keeper {
  readonly matcher: ViewMatcher;
  readonly writer: ViewWriter;
  inHand: ResourceChange[];
}

/** A database, a feed of its changes, the bus, whoever keeps the views, and readers: all in memory. */
export class MemoryWorld {
  readonly stream = new MemoryStream();
  readonly readers: MemoryReader[] = [];
  readonly #rows = new Map<string, ResourceRow>();
  readonly #versions = new Map<string, number>();
  readonly #feed: ResourceChange[] = [];
  readonly #views = new Map<string, OpenView>();
  #fed = 0;
  #generation = 0;
  #keeper: Keeper;
  #frozen: Keeper[] = [];

  constructor() {
    this.#keeper = this.#newKeeper();
    this.stream.republish = (message) => {
      for (const reader of this.readers) reader.hear(message);
    };
  }

  write(id: string, labels: Record<string, string> | undefined): void {
    if (!labels && !this.#rows.has(id)) return;
    const version = (this.#versions.get(id) ?? 0) + 1;
    this.#versions.set(id, version);
    const doc: PublicResource | undefined = labels && {
      kind,
      version: 'v3',
      metadata: { name: id, labels },
      spec: {},
    };
    if (doc) this.#rows.set(id, { kind, id, version, labels: labels!, secrets: {}, doc });
    else this.#rows.delete(id);
    this.#feed.push({ kind, id, version, ...(doc ? { doc } : {}) });
  }

  /** Hands changes to the keeper, which carries them out. */
  async feed(count: number): Promise<void> {
    const changes = this.#feed.slice(this.#fed, this.#fed + count);
    await this.#whileKept(() => this.#keeper.matcher.apply(changes));
    this.#fed += changes.length;
  }

  redeliver(count: number): void {
    this.#fed = Math.max(0, this.#fed - count);
  }

  async open(selector: Selector): Promise<void> {
    const hash = selectorHash(selector);
    const view = this.#views.get(hash) ?? { selector, generation: ++this.#generation, isFilled: false };
    this.#views.set(hash, view);
    await this.#whileKept(() => this.#fill(hash, view));
  }

  close(selector: Selector): void {
    const hash = selectorHash(selector);
    const view = this.#views.get(hash);
    if (!view) return;
    this.#views.delete(hash);
    this.#keeper.matcher.close(hash);
    this.#keeper.writer.forget(hash);
    this.stream.purge({ hash, generation: view.generation });
  }

  read(selector: Selector): void {
    const hash = selectorHash(selector);
    const placeOf = () => {
      const view = this.#views.get(hash);
      return view?.isFilled ? view.generation : undefined;
    };
    this.readers.push(new MemoryReader(this.stream, hash, placeOf));
  }

  /** The keeper ends at once and another takes its place. */
  async crash(): Promise<void> {
    this.#keeper = this.#newKeeper();
    await this.#keeper.writer.claim();
    await this.#compareAll();
  }

  /** The keeper stops in the middle of its work, another takes its place, and some time later the first goes on. */
  async freeze(count: number): Promise<void> {
    this.#keeper.inHand = this.#feed.slice(this.#fed, this.#fed + count);
    this.#frozen.push(this.#keeper);
    await this.crash();
  }

  async thaw(): Promise<void> {
    const [keeper, ...others] = this.#frozen;
    this.#frozen = others;
    await keeper?.matcher.apply(keeper.inHand).catch(onlyTaken);
  }

  /** The server is killed: it lost its last messages, and everybody connects again. */
  async killServer(lost: number): Promise<void> {
    this.stream.loseTail(lost);
    for (const reader of this.readers) reader.reconnect();
    await this.#whileKept(() => this.#compareAll());
  }

  /** Writes views anew, as when most of them is tombstones. */
  async compact(selector: Selector): Promise<void> {
    const hash = selectorHash(selector);
    const view = this.#views.get(hash);
    if (!view) return;
    const from = { hash, generation: view.generation };
    const generation = ++this.#generation;
    await this.#whileKept(async () => {
      const use = await this.#keeper.writer.rewrite(hash, generation);
      view.generation = generation;
      use();
      this.stream.purge(from);
    });
  }

  async settle(): Promise<void> {
    this.stream.meanwhile = async () => {};
    while (this.#frozen.length > 0) await this.thaw();
    await this.feed(Infinity);
    for (const reader of this.readers) reader.settle();
  }

  selectedBy(hash: string): string[] | undefined {
    const view = this.#views.get(hash);
    if (!view) return undefined;
    const matches = compileSelector(view.selector);
    const isIn = view.selector.kinds.includes(kind) ? matches : () => false;
    return [...this.#rows.values()]
      .filter(({ labels }) => isIn(labels))
      .map(({ id, version }) => `${id}@${version}`)
      .toSorted();
  }

  /** Whoever finds that its claim is gone ends, and the next one begins. */
  async #whileKept(work: () => Promise<unknown>): Promise<void> {
    await work().catch(async (error: unknown) => {
      onlyTaken(error);
      await this.crash();
    });
  }

  async #compareAll(): Promise<void> {
    const { matcher } = this.#keeper;
    for (const view of this.#views.values()) view.isFilled = false;
    for (const [hash, { selector }] of this.#views) matcher.open(hash, selector);
    matcher.seed(this.#seed());
    for (const [hash, view] of this.#views) await this.#fill(hash, view);
  }

  async #fill(hash: string, view: OpenView): Promise<void> {
    const { matcher, writer } = this.#keeper;
    writer.use({ hash, generation: view.generation });
    matcher.open(hash, view.selector);
    await matcher.reconcile(hash);
    view.isFilled = true;
  }

  #newKeeper(): Keeper {
    const writer = new ViewWriter(this.stream);
    const matcher = new ViewMatcher({
      loadResources: async (refs) => refs.flatMap(({ id }) => this.#rows.get(id) ?? []),
      goneVersion: async ({ id }) => (this.#rows.has(id) ? undefined : this.#versions.get(id)),
      readView: (hash) => writer.read(hash),
      isCurrent: () => true,
      putEntries: async (puts) => {
        for (const { hash, entry } of puts) await writer.put(hash, entry);
      },
    });
    return { matcher, writer, inHand: [] };
  }

  #seed(): SeedRow[] {
    const gone = [...this.#versions].filter(([id]) => !this.#rows.has(id));
    return [...this.#rows.values(), ...gone.map(([id, version]) => ({ kind, id, version }))];
  }
}

function onlyTaken(error: unknown): void {
  if (!ViewsTaken.is(error)) throw error;
}
