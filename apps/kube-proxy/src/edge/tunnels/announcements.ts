import {
  anyEdge,
  commandSubjects,
  EdgeBeat,
  edgeSubjects,
  EdgeTunnels,
  fromSubjectToken,
} from '@postern/contracts';
import { delay, uuidv7 } from '@postern/core';
import { Compile } from 'typebox/compile';
import type { EdgeBus } from '../edge-bus.ts';
import type { Hearing } from '../hearing.ts';
import type { EdgeDirectory } from './edge-directory.ts';

export interface AnnouncementDeps {
  readonly bus: EdgeBus;
  readonly edgeId: string;
  readonly directory: EdgeDirectory;
  /** Told when our own words come back. */
  readonly hearing: Pick<Hearing, 'heard'>;
  /** host:port where other edges reach this one. */
  readonly address: () => string;
  /** Agents that are reached here. */
  readonly agentIds: () => string[];
  /** The number of edges may be another. */
  readonly edgesChanged: () => void;
}

const isBeat = Compile(EdgeBeat);
const areTunnels = Compile(EdgeTunnels);

const intervalMs = 5000;
/** Many agents come and go at once when an edge does; they are told of together. */
const soonMs = 100;
const askAgainMs = 2000;
const greetMs = 500;
/** The way of a question and its answer over the bus. */
const answerMs = 200;
const settleMs = 5000;

/** What edges tell each other on the bus: that they are there, and whose tunnels they hold. */
export class Announcements implements Disposable {
  readonly #deps: AnnouncementDeps;
  readonly #run = uuidv7();
  readonly #askedAt = new Map<string, number>();
  readonly #stops: (() => unknown)[] = [];
  #revision = 0;
  #soon: NodeJS.Timeout | undefined;
  #greet: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(deps: AnnouncementDeps) {
    this.#deps = deps;
  }

  start(): void {
    const { bus, edgeId, directory } = this.#deps;
    const subscriptions = [
      bus.subscribe(anyEdge.beat, {}, (message) => this.#beat(edgeIdOf(message.subject), message.json())),
      bus.subscribe(anyEdge.tunnels, {}, (message) =>
        this.#tunnels(edgeIdOf(message.subject), message.json()),
      ),
      bus.subscribe(anyEdge.goodbye, {}, ({ subject }) => {
        directory.goodbye(edgeIdOf(subject));
        this.#deps.edgesChanged();
      }),
      bus.subscribe(commandSubjects.tellTunnels(edgeId), {}, () => this.#tellTunnels()),
    ];
    const timer = setInterval(() => this.#tellBeat(), intervalMs);
    this.#stops.push(
      () => clearInterval(timer),
      () => subscriptions.map((subscription) => subscription.unsubscribe()),
    );
    this.announce();
  }

  /**
   * Settles once everybody has had the time to answer and it is known whose tunnels they hold; or after five seconds, when somebody
   * does not say.
   */
  async settled(): Promise<void> {
    const end = performance.now() + settleMs;
    await delay(greetMs + answerMs);
    while (!this.#deps.directory.isComplete && performance.now() < end) await delay(answerMs / 4);
  }

  announce(): void {
    this.#tellBeat();
    this.#tellTunnels();
  }

  /** The tunnels changed. */
  changed(): void {
    this.#revision += 1;
    if (this.#isOver) return;
    this.#soon ??= setTimeout(() => this.#tellTunnels(), soonMs);
  }

  /** Others send nothing through this edge any more. */
  leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this[Symbol.dispose]();
    const { bus, edgeId } = this.#deps;
    bus.publish(edgeSubjects.goodbye(edgeId), {});
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#soon);
    clearTimeout(this.#greet);
    for (const stop of this.#stops.splice(0)) stop();
  }

  #tellBeat(): void {
    clearTimeout(this.#greet);
    this.#greet = undefined;
    const { bus, edgeId, address } = this.#deps;
    const beat = { run: this.#run, intervalMs, address: address(), revision: this.#revision };
    bus.publish(edgeSubjects.beat(edgeId), beat);
  }

  #tellTunnels(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    const { bus, edgeId, agentIds } = this.#deps;
    bus.publish(edgeSubjects.tunnels(edgeId), {
      run: this.#run,
      revision: this.#revision,
      agents: agentIds(),
    });
  }

  #beat(id: string, beat: unknown): void {
    const { bus, edgeId, directory, edgesChanged } = this.#deps;
    if (id === edgeId) this.#deps.hearing.heard();
    if (id === edgeId || !isBeat.Check(beat)) return;
    const isNew = directory.isNew(id, beat);
    const isKnown = directory.beat(id, beat);
    if (isNew) {
      edgesChanged();
      // It knows of nobody; all others answer, so not at the same moment.
      this.#greet ??= setTimeout(() => this.#tellBeat(), Math.random() * greetMs);
    }
    const now = performance.now();
    if (isKnown || now - (this.#askedAt.get(id) ?? -Infinity) < askAgainMs) return;
    this.#askedAt.set(id, now);
    bus.publish(commandSubjects.tellTunnels(id), {});
  }

  #tunnels(id: string, tunnels: unknown): void {
    if (id !== this.#deps.edgeId && areTunnels.Check(tunnels)) this.#deps.directory.tunnels(id, tunnels);
  }
}

/** The edge is the one whose subject it is, whatever the message says. */
function edgeIdOf(subject: string): string {
  return fromSubjectToken(subject.split('.')[1] ?? '');
}
