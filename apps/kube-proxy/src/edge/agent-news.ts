import {
  anyAgent,
  commandSubjects,
  fromSubjectToken,
  Goodbye,
  Heartbeat,
  RoutesReply,
  routesSubject,
  ServedReport,
} from '@postern/contracts';
import { type Clock, delay, messageOf } from '@postern/core';
import type { Logger } from '@postern/telemetry';
import { Compile } from 'typebox/compile';
import type { EdgeBus, Message } from './edge-bus.ts';
import type { Routes } from './routes.ts';

export interface AgentNewsDeps {
  readonly bus: EdgeBus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ownAgentId: string;
  readonly routes: Routes;
  /** What is served, and by whom, changed. */
  readonly changed: () => void;
  /** Nothing of an agent may go on. */
  readonly revoked: (agentId: string) => void;
}

const isReport = Compile(ServedReport);
const isHeartbeat = Compile(Heartbeat);
const isRoutes = Compile(RoutesReply);
const isGoodbye = Compile(Goodbye);

const askAgainMs = 5000;
const routesMs = 8000;
const askForRoutesMs = 250;

/** Follows what agents say of themselves. An agent is the one whose subject it is, whatever the message says. */
export class AgentNews {
  readonly #deps: AgentNewsDeps;
  readonly #askedAt = new Map<string, number>();

  constructor(deps: AgentNewsDeps) {
    this.#deps = deps;
  }

  /** Begins to listen; returns what stops it. */
  follow(): () => void {
    const { bus } = this.#deps;
    const subscriptions = [
      bus.subscribe(anyAgent.served, {}, (message) => this.#served(message)),
      bus.subscribe(anyAgent.heartbeat, {}, (message) => this.#heartbeat(message)),
      bus.subscribe(anyAgent.goodbye, {}, (message) => this.#goodbye(message)),
    ];
    return () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  }

  /**
   * Asks inventory-svc what is served, again and again for some seconds. Without it the edge learns the same from the agents' next
   * heartbeats.
   */
  async askForRoutes(): Promise<void> {
    const end = performance.now() + routesMs;
    while (!(await this.#haveRoutes()) && performance.now() < end) await delay(askForRoutesMs);
  }

  async #haveRoutes(): Promise<boolean> {
    const { bus, log, ownAgentId, routes } = this.#deps;
    try {
      const reply = await bus.request(routesSubject, {}, { timeoutMs: 2000 });
      if (!isRoutes.Check(reply)) return false;
      for (const report of reply.reports) if (report.agentId !== ownAgentId) routes.report(report);
      return true;
    } catch (error) {
      log.warn('routes are not known yet', { reason: messageOf(error) });
      return false;
    }
  }

  #served(message: Message): void {
    const { ownAgentId, routes, changed } = this.#deps;
    const report = message.json();
    if (!isReport.Check(report)) return;
    const agentId = agentIdOf(message.subject);
    if (agentId !== ownAgentId && routes.report({ ...report, agentId })) changed();
  }

  #goodbye(message: Message): void {
    const { routes, revoked, changed } = this.#deps;
    const agentId = agentIdOf(message.subject);
    const goodbye = message.json();
    routes.goodbye(agentId);
    if (isGoodbye.Check(goodbye) && goodbye.revoked) revoked(agentId);
    changed();
  }

  #heartbeat(message: Message): void {
    const { bus, clock, ownAgentId, routes } = this.#deps;
    const heartbeat = message.json();
    const agentId = agentIdOf(message.subject);
    if (!isHeartbeat.Check(heartbeat) || agentId === ownAgentId) return;
    if (!heartbeat.services.includes('Kube') || routes.heartbeat({ ...heartbeat, agentId })) return;
    const now = clock().getTime();
    if (now - (this.#askedAt.get(agentId) ?? 0) < askAgainMs) return;
    this.#askedAt.set(agentId, now);
    bus.publish(commandSubjects.reportServed(agentId), {});
  }
}

function agentIdOf(subject: string): string {
  return fromSubjectToken(subject.split('.')[1] ?? '');
}
