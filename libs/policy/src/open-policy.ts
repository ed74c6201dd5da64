import { type Bus, openView, type ViewOptions } from '@postern/bus';
import { policySelector } from '@postern/contracts';
import { type Clock, systemClock } from '@postern/core';
import { type Policy, PolicyTables } from './policy.ts';

/** How a policy is kept. */
export interface PolicyOptions {
  readonly clock?: Clock;
  /** How often everything is read again although nothing seems to be missing, in milliseconds. */
  readonly snapshotIntervalMs?: number;
  /** Shows who asks, for a service that has not heard of the agent's joining. */
  readonly prove?: NonNullable<ViewOptions['prove']>;
  /** Told about an entry that this program cannot read; its holders have no access. */
  readonly onUnreadable?: (kind: string, id: string, why: string) => void;
}

/** Opens the live policy: every role, user and lock, kept current through a view of the agent. */
export function openPolicy(bus: Bus, agentId: string, options: PolicyOptions = {}): Policy {
  const { clock = systemClock, onUnreadable = () => {}, prove, snapshotIntervalMs } = options;
  const tables = new PolicyTables({ clock, onUnreadable });
  const view = openView(bus, {
    agentId,
    selector: policySelector,
    onChange: (entry) => tables.apply(entry),
    clock,
    ...(prove ? { prove } : {}),
    ...(snapshotIntervalMs === undefined ? {} : { snapshotIntervalMs }),
  });
  return {
    ready: view.ready,
    revision: () => view.position(),
    ageMs: () => Math.max(0, clock().getTime() - view.lastContactAt().getTime()),
    user: (name) => tables.user(name),
    rolesOf: (user) => tables.rolesOf(user),
    lockOn: (subject) => tables.lockOn(subject),
    lockOnAgent: (agentId, joinToken) => tables.lockOnAgent(agentId, joinToken),
    lockOnToken: (tokenId) => tables.lockOnToken(tokenId),
    lockedAgents: () => tables.lockedAgents(),
    onChange: (callback) => tables.onChange(callback),
    [Symbol.asyncDispose]: () => view[Symbol.asyncDispose](),
  };
}
