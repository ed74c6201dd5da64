import type { Api, ResourceDocument } from '@postern/client';
import { AppError } from '@postern/core';
import type { Attempt, Ledger, Outcome } from './ledger.ts';
import type { Random } from './random.ts';

/** Who writes what, and where it is noted. */
export interface WriterOptions {
  readonly api: Api;
  readonly ledger: Ledger;
  readonly random: Random;
  /** Names of this writer begin with it; no other writer touches them. */
  readonly name: string;
  readonly signal: AbortSignal;
}

/** Teams by which the views of the readers choose. */
export const teams = ['red', 'green', 'blue'] as const;

const namesPerWriter = 12;

/**
 * Creates, relabels and deletes resources of its own names one after the other until it is stopped. Each write has a mark among
 * its labels, so that its event is recognised wherever it lies.
 */
export async function writeClusters(options: WriterOptions): Promise<void> {
  const { random, ledger, signal, name: writer } = options;
  const existing = new Set<string>();
  for (let count = 0; !signal.aborted; count += 1) {
    const name = `${writer}-${random.between(0, namesPerWriter - 1)}`;
    const mark = `${writer}.${count}`;
    const verb = !existing.has(name) ? 'create' : random.next() < 0.25 ? 'delete' : 'put';
    const attempt = await write(options, { mark, verb, name, kind: kindOf(name) });
    ledger.add(attempt);
    await settle(options, existing, attempt);
  }
}

function kindOf(name: string): 'kube_cluster' | 'role' {
  return name.endsWith('0') ? 'role' : 'kube_cluster';
}

type Intent = Pick<Attempt, 'mark' | 'verb' | 'name' | 'kind'>;

async function write({ api, random }: WriterOptions, intent: Intent): Promise<Attempt> {
  const { kind, name, verb, mark } = intent;
  const document = documentOf(kind, name, { mark, team: random.pick(teams) });
  try {
    if (verb === 'delete') await api.resources.delete(kind, name);
    else await api.resources[verb](document);
    return { ...intent, outcome: 'acknowledged' };
  } catch (error) {
    return { ...intent, outcome: outcomeOf(error), why: whyOf(error) };
  }
}

/** What is there now decides the next verb; after an answer that did not come nobody knows, and creating again finds out. */
async function settle(
  { api, signal }: WriterOptions,
  existing: Set<string>,
  attempt: Attempt,
): Promise<void> {
  const { kind, name, outcome, verb } = attempt;
  if (outcome === 'acknowledged') {
    if (verb === 'delete') existing.delete(name);
    else existing.add(name);
    return;
  }
  while (!signal.aborted) {
    try {
      await api.resources.get(kind, name);
      existing.add(name);
      return;
    } catch (error) {
      if (error instanceof AppError && error.kind === 'not_found') return void existing.delete(name);
    }
  }
}

function outcomeOf(error: unknown): Outcome {
  const isAnswer =
    error instanceof AppError && !['unavailable', 'deadline_exceeded', 'internal'].includes(error.kind);
  return isAnswer ? 'refused' : 'unknown';
}

function whyOf(error: unknown): string {
  return error instanceof AppError ? error.code : String(error);
}

function documentOf(kind: string, name: string, labels: Readonly<Record<string, string>>): ResourceDocument {
  const metadata = { name, labels };
  return kind === 'role'
    ? { kind, version: 'v7', metadata, spec: { allow: { kubernetes_groups: ['viewers'] } } }
    : { kind, version: 'v3', metadata, spec: { kubeconfig } };
}

// Nothing listens there: what is tested is how it is kept and told.
const kubeconfig = Buffer.from(
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster: { server: 'https://api.clusters.example:6443' } }],
    users: [{ name: 'u', user: { token: 'not-a-real-token' } }],
    contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'c',
  }),
).toString('base64');
