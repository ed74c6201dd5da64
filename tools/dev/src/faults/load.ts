import { type Api, locateIdentity, openApi, openIdentity } from '@postern/client';
import { systemClock } from '@postern/core';
import type { SeparateStack } from '@postern/testkit';
import { joinAgent } from './agents.ts';
import { Ledger } from './ledger.ts';
import type { Random } from './random.ts';
import { sendFacts } from './send-facts.ts';
import { openReaders, type ReadView } from './view-readers.ts';
import { writeClusters } from './write-clusters.ts';

/** What goes on while things break: writes, audit facts, readers of views. */
export interface Load extends AsyncDisposable {
  readonly name: string;
  readonly ledger: Ledger;
  readonly readers: readonly ReadView[];
  /** Ends writing; resolves when every answer that was waited for came or will not come. Readers go on. */
  stop(): Promise<void>;
}

/** How much of it. */
export interface LoadPlan {
  /** Of this load alone: whatever it writes is named after it. */
  readonly name?: string;
  readonly random: Random;
  readonly writers?: number;
  readonly readersEach?: number;
}

/** Starts the load and waits until every reader has its view. */
export async function startLoad(
  stack: SeparateStack,
  { name = 'load', random, writers = 8, readersEach = 1 }: LoadPlan,
): Promise<Load> {
  await using scope = new AsyncDisposableStack();
  const ledger = new Ledger();
  const stopping = new AbortController();
  const { signal } = stopping;
  const apis = (await openApis(stack)).map((api) => scope.use(api));
  const readers = await openReaders({ stack, api: apis[0]!, each: readersEach }, scope);
  const edge = scope.use(await joinAgent({ stack, api: apis[0]!, role: 'Proxy' }));
  const running = [
    sendFacts({ bus: edge.bus, agentId: edge.identity.agentId, ledger, signal }),
    ...Array.from({ length: writers }, (_, at) =>
      writeClusters({
        api: apis[at % apis.length]!,
        ledger,
        random: random.branch(),
        name: `${name}-w${at}`,
        signal,
      }),
    ),
  ];
  const stop = async () => {
    stopping.abort();
    await Promise.all(running);
  };
  scope.defer(stop);
  const open = scope.move();
  return { name, ledger, readers, stop, [Symbol.asyncDispose]: () => open.disposeAsync() };
}

/** The API as the administrator, through every edge. */
async function openApis(stack: SeparateStack): Promise<Api[]> {
  const located = locateIdentity({ proxy: stack.proxyAddrs[0], env: stack.admin.env, cwd: stack.dataDir });
  const { key, certificate, caPem } = await openIdentity(located, systemClock);
  return stack.proxyAddrs.map((proxy) => openApi({ proxy, caPem, identity: { key, certificate } }));
}
