import {
  type FactBatch,
  type FactMessage,
  routesSubject,
  type Selector,
  type ViewEntry,
} from '@postern/contracts';
import { compileSelector } from '@postern/access';
import type { EdgeBus } from '../../src/edge/edge-bus.ts';
import type { DurablePublisher } from '../../src/facts/fact-queue.ts';
import type { OpenView } from '../../src/views.ts';

type Handler = Parameters<EdgeBus['subscribe']>[2];

/** A bus within one process. */
export class MemoryBus implements EdgeBus, DurablePublisher {
  readonly facts: FactMessage[] = [];
  readonly #handlers = new Map<string, Set<Handler>>();

  publish(subject: string, body: unknown): void {
    for (const [pattern, handlers] of this.#handlers) {
      if (!matches(pattern, subject)) continue;
      for (const handler of handlers) handler({ subject, json: () => structuredClone(body) });
    }
  }

  /** Whether facts are refused, as while the real bus is away. */
  isAway = false;

  async publishDurable(_subject: string, message: Uint8Array): Promise<void> {
    if (this.isAway) throw new Error('nobody answers');
    this.facts.push(...(JSON.parse(Buffer.from(message).toString()) as FactBatch).facts);
  }

  /** What is served is said by those who serve it. */
  async request(subject: string): Promise<unknown> {
    if (subject === routesSubject) return { reports: [] };
    throw new Error('nobody answers');
  }

  subscribe(subject: string, _options: object, handler: Handler): { unsubscribe(): void } {
    const handlers = this.#handlers.get(subject) ?? new Set();
    this.#handlers.set(subject, handlers.add(handler));
    return { unsubscribe: () => void handlers.delete(handler) };
  }
}

function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  return (
    wanted.length === tokens.length &&
    wanted.every((token, index) => token === '*' || token === tokens[index])
  );
}

interface Open {
  readonly selector: Selector;
  readonly entries: Map<string, ViewEntry>;
  readonly onChange: (entry: ViewEntry) => void;
}

/** Resources, and label views of them that change as they do. */
export class MemoryResources {
  readonly #all = new Map<string, ViewEntry>();
  readonly #views = new Set<Open>();
  #rev = 0;

  put(resource: NonNullable<ViewEntry['resource']>): void {
    const { kind, metadata } = resource;
    this.#rev += 1;
    const entry: ViewEntry = {
      kind,
      id: metadata.name,
      rev: this.#rev,
      revision: String(this.#rev),
      resource,
    };
    this.#all.set(`${kind}/${metadata.name}`, entry);
    for (const view of this.#views) apply(view, entry);
  }

  remove(kind: string, id: string): void {
    this.#rev += 1;
    this.#all.delete(`${kind}/${id}`);
    for (const view of this.#views) apply(view, { kind, id, rev: this.#rev, revision: String(this.#rev) });
  }

  readonly openView: OpenView = ({ selector, onChange }) => {
    const view: Open = { selector, entries: new Map(), onChange };
    this.#views.add(view);
    for (const entry of this.#all.values()) apply(view, entry);
    return {
      ready: Promise.resolve(),
      get: (kind, id) => view.entries.get(`${kind}/${id}`),
      close: () => this.#views.delete(view),
    };
  };
}

function apply(view: Open, entry: ViewEntry): void {
  if (!view.selector.kinds.includes(entry.kind)) return;
  const key = `${entry.kind}/${entry.id}`;
  const isIn = entry.resource && compileSelector(view.selector)(entry.resource.metadata.labels ?? {});
  if (isIn) {
    view.entries.set(key, entry);
    view.onChange(entry);
  } else if (view.entries.delete(key)) {
    const { resource: _, ...gone } = entry;
    view.onChange(gone);
  }
}
