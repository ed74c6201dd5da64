import { hostname } from 'node:os';
import { startHeartbeat } from '@postern/agent';
import { openEks } from '@postern/aws';
import { type Bus, openView, type View } from '@postern/bus';
import type { DiscoverySection } from '@postern/config';
import { type DiscoveryShare, everything, mayConnect, type PublicResource } from '@postern/contracts';
import type { Clock } from '@postern/core';
import type { Readiness } from '@postern/http';
import type { Telemetry } from '@postern/telemetry';
import { AccessKeeper } from './access/keep-access.ts';
import {
  type EffectiveMatcher,
  effectiveMatchers,
  type EffectiveMatchers,
} from './matchers/effective-matchers.ts';
import { type ScanGroup, scanGroup, type ScanGroupDeps } from './scanning/scan-group.ts';

/** The view that the service opens: its hash belongs into the join request. */
export const discoverySelector = everything('discovery_config');

/** What the service runs on; whoever opened it closes it. */
export interface DiscoveryServiceDeps {
  readonly bus: Bus;
  readonly agentId: string;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  /** Shared with the diagnostics listener. */
  readonly readiness?: Readiness;
}

export interface DiscoveryServiceConfig {
  readonly section: DiscoverySection;
  readonly heartbeatIntervalMs: number;
  /** Where AWS and the proxy on the way to it are, by the variables of the SDKs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether clusters may be on this very machine. */
  readonly allowLoopback: boolean;
}

/** A running member of a discovery group. */
export interface DiscoveryService extends AsyncDisposable {
  /** Settles when the resources of the group are known. */
  readonly ready: Promise<void>;
  /** What is looked for now. */
  matchers(): readonly EffectiveMatcher[];
}

/**
 * A member of a discovery group: says that it is there, follows what the group looks for, and takes part in its scans. Without a
 * group nothing is scanned, for nobody could tell whose the clusters are that were found.
 */
export function discoveryService(
  deps: DiscoveryServiceDeps,
  { section, heartbeatIntervalMs, env, allowLoopback }: DiscoveryServiceConfig,
): DiscoveryService {
  const { bus, agentId, telemetry, clock, readiness } = deps;
  let current: EffectiveMatchers = effectiveMatchers(section, [], clock());
  let isComplete = false;
  let isClosed = false;
  let scanning: ScanGroup | undefined;
  const eks = openEks({ env, clock });
  const access = accessKeeper({ eks, clock, log: telemetry.log, allowLoopback });
  const update = (view: View) => {
    if (!isComplete) return;
    const next = effectiveMatchers(section, resourcesOf(view), clock());
    if (JSON.stringify(next) !== JSON.stringify(current)) tell(telemetry, section.discoveryGroup, next);
    current = next;
    scanning?.matchersChanged();
  };
  const onChange = () => update(view);
  const view: View = openView(bus, { agentId, selector: discoverySelector, clock, onChange });
  const begin = async () => {
    await view.ready;
    isComplete = true;
    tell(telemetry, section.discoveryGroup, current);
    update(view);
    if (isClosed) return;
    scanning = startScanning({ ...deps, eks, access }, section, () => current);
    readiness?.setReady(true);
  };
  const ready = begin();
  const heartbeat = startHeartbeat({
    bus,
    identity: { agentId },
    hostname: hostname(),
    services: ['Discovery'],
    discovery: () => shareOf(section.discoveryGroup, scanning?.sources() ?? []),
    intervalMs: heartbeatIntervalMs,
    telemetry,
    clock,
  });
  return {
    ready,
    matchers: () => current.matchers,
    [Symbol.asyncDispose]: async () => {
      readiness?.stop();
      isClosed = true;
      view.close();
      await scanning?.[Symbol.asyncDispose]();
      await eks[Symbol.asyncDispose]();
      await heartbeat[Symbol.asyncDispose]();
    },
  };
}

function startScanning(
  deps: ScanGroupDeps,
  { discoveryGroup: group, pollIntervalMs }: DiscoverySection,
  current: () => EffectiveMatchers,
): ScanGroup | undefined {
  if (group !== '') return scanGroup(deps, { group, pollIntervalMs, matchers: () => current().matchers });
  deps.telemetry.log.warn('nothing is scanned: set discovery_group');
  return undefined;
}

/** API servers go by a new entry after some seconds, and sometimes only after half a minute. */
const settle = { everyMs: 5000, forMs: 60_000 };

function accessKeeper(
  deps: Pick<ConstructorParameters<typeof AccessKeeper>[0], 'eks' | 'clock' | 'log' | 'allowLoopback'>,
): AccessKeeper {
  const rules = { mayConnect: (address: string) => mayConnect(address, deps) };
  return new AccessKeeper({ ...deps, rules, settle, endRetryMs: 1000 });
}

const toldSources = 100;

function shareOf(group: string, sources: readonly string[]): DiscoveryShare {
  return {
    group: group.slice(0, 253).toWellFormed(),
    sources: sources.slice(0, toldSources),
    total: sources.length,
  };
}

function resourcesOf(view: View): PublicResource[] {
  return view.entries('discovery_config').flatMap(({ resource }) => resource ?? []);
}

function tell({ log }: Telemetry, group: string, { matchers, refused }: EffectiveMatchers): void {
  log.info('this is what the group looks for', {
    group,
    matchers: matchers.map(({ source, provider, matcher }) => ({ source, provider, ...matcher })),
  });
  for (const { source, reason } of refused) log.warn('a discovery_config is ignored', { source, reason });
}
