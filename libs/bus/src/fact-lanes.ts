import { anyAgent } from '@postern/contracts';

/** One of the JetStream streams that take the facts of edges. Each has a leader of its own, so that one may be without. */
export interface FactLane {
  readonly stream: string;
  /** The subjects that it takes. */
  readonly subject: string;
  /** The durable consumer by which inventory-svc reads it. */
  readonly durable: string;
}

/**
 * The lanes. Three, since a cluster has three nodes: more put two leaders on one node, fewer leave none when their nodes die
 * one after the other (ADR 23). The first has the names that it had when it was the only one, so that nothing is left behind.
 */
export const factLanes: readonly FactLane[] = ['', '2', '3'].map((number) => ({
  stream: number === '' ? 'FACT' : `FACT_${number}`,
  subject: inLane(anyAgent.kubeRequestAudited, number),
  durable: number === '' ? 'inventory__facts' : `inventory__facts_${number}`,
}));

/** A subject of a fact in every lane; any other subject alone. */
export function subjectsInLanes(subject: string): readonly string[] {
  const { kubeRequestAudited } = anyAgent;
  if (subject.replace(/^agent\.[^.]+\./, 'agent.*.') !== kubeRequestAudited) return [subject];
  return factLanes.map((lane) => subject + lane.subject.slice(kubeRequestAudited.length));
}

function inLane(subject: string, number: string): string {
  return number === '' ? subject : `${subject}.${number}`;
}
