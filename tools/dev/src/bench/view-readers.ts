import { type Bus, connectBus, openView, type View } from '@postern/bus';
import { type Selector, selectorHash, type ViewEntry } from '@postern/contracts';

/** What every reader tells of a change. */
export type OnChange = (entry: ViewEntry) => void;

/** Agents that read views, each with a bus connection of its own. */
export class ViewReaders implements AsyncDisposable {
  readonly #natsUrl: string;
  readonly #onChange: OnChange;
  readonly #open: { readonly bus: Bus; readonly view: View }[] = [];

  constructor(natsUrl: string, onChange: OnChange) {
    this.#natsUrl = natsUrl;
    this.#onChange = onChange;
  }

  get count(): number {
    return this.#open.length;
  }

  /** How many read the view of a selector. */
  countOf(selector: Selector): number {
    const hash = selectorHash(selector);
    return this.#open.filter(({ view }) => view.hash === hash).length;
  }

  /** Opens a view and resolves with the milliseconds until its reader had all of it; the connection stood already. */
  async open(selector: Selector, expected: number): Promise<number> {
    const agentId = `agent-${this.#open.length}`;
    const bus = await connectBus({ servers: this.#natsUrl, name: agentId });
    const began = performance.now();
    const onChange = (entry: ViewEntry) => this.#onChange(entry);
    // Reading everything again now and then is for machines of their own; here a thousand readers share one.
    const view = openView(bus, { agentId, selector, onChange, snapshotIntervalMs: 3_600_000 });
    this.#open.push({ bus, view });
    await view.ready;
    const ms = performance.now() - began;
    const held = view.entries('kube_cluster').length;
    if (held !== expected) throw new Error(`a reader holds ${held} clusters instead of ${expected}`);
    return ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { view } of this.#open) view.close();
    await Promise.all(this.#open.map(({ bus }) => bus[Symbol.asyncDispose]()));
  }
}
