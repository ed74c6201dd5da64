import type { LinkName, LinkState, SeparateStack, SharedServer } from '@postern/testkit';
import { until } from '@postern/testkit';
import type { FaultKind, FaultTargets, PlannedFault } from './schedule.ts';

/** Ends a fault; resolves when what was broken can do its work again. */
export type Heal = () => Promise<void>;

const restartWithinMs = 180_000;

/** What can be broken in a stack: processes, servers and links, as far as this one has them. */
export function targetsOf(stack: SeparateStack): FaultTargets {
  const { processNames, links, servers } = stack;
  const everyone = [...processNames, ...sharedServers(stack).keys()];
  return {
    kill: everyone,
    freeze: everyone,
    cut: links.names,
    stall: links.names,
    slow: links.names,
    halfOpen: links.names,
    disk: servers.nats.disk ? ['nats-0'] : [],
    clock: stack.hasOwnClocks ? processNames : [],
  };
}

/** Breaks something. */
export async function inject(stack: SeparateStack, fault: PlannedFault): Promise<Heal> {
  return injectors[fault.kind](stack, fault);
}

type Injector = (stack: SeparateStack, fault: PlannedFault) => Promise<Heal>;

const injectors: Readonly<Record<FaultKind, Injector>> = {
  kill: async (stack, { target }) => {
    const server = sharedServers(stack).get(target);
    await (server ?? stack.processNamed(target)).kill9();
    return () => (server ? server.restart() : restartProcess(stack, target));
  },
  freeze: async (stack, { target }) => {
    const frozen = sharedServers(stack).get(target) ?? stack.processNamed(target);
    frozen.freeze();
    return async () => frozen.thaw();
  },
  cut: breakLink('cut'),
  stall: breakLink('stalled'),
  slow: breakLink('slow'),
  halfOpen: breakLink('halfOpen'),
  disk: async ({ servers: { nats } }) => {
    nats.disk!.fill();
    return async () => {
      nats.disk!.free();
      // JetStream switches itself off when its disk is full, until the server is started again.
      await nats.nodes[0]!.kill9();
      await nats.nodes[0]!.restart();
    };
  },
  clock: async (stack, { target, seconds = 0 }) => {
    await stack.stepClock(target, seconds);
    return () => stack.stepClock(target, 0);
  },
};

function breakLink(state: LinkState): Injector {
  return async ({ links }, { target }) => {
    links.set(target as LinkName, state);
    return async () => links.set(target as LinkName, 'open');
  };
}

function sharedServers({ servers }: SeparateStack): Map<string, SharedServer> {
  const nodes = servers.nats.nodes.map((node, at) => [`nats-${at}`, node] as const);
  return new Map<string, SharedServer>([['postgres', servers.postgres], ...nodes]);
}

/** As a supervisor does: a start that fails because something else is broken is tried again. */
async function restartProcess(stack: SeparateStack, name: string): Promise<void> {
  const attempt = async () => {
    await stack.restart(name);
    return true;
  };
  await until(`${name} runs again`, attempt, { withinMs: restartWithinMs, everyMs: 500 });
}
