import { locateIdentity, openApi, openIdentity } from '@postern/client';
import { systemClock } from '@postern/core';
import type { SeparateStack } from '@postern/testkit';

/** Many creations at once. */
export interface ManyCreations {
  /** Resolves when a tenth of them was answered. */
  readonly underway: Promise<void>;
  /** Names of those that were answered with success. */
  readonly done: Promise<string[]>;
}

/** Creates roles as `tctl create` does, 50 at a time, spread over the edges, and tells which were answered with success. */
export function createMany(stack: SeparateStack, prefix: string, count: number): ManyCreations {
  const underway = Promise.withResolvers<void>();
  const created: string[] = [];
  const run = async () => {
    const located = locateIdentity({ proxy: stack.proxyAddrs[0], env: stack.admin.env, cwd: stack.dataDir });
    const { key, certificate, caPem } = await openIdentity(located, systemClock);
    const apis = stack.proxyAddrs.map((proxy) => openApi({ proxy, caPem, identity: { key, certificate } }));
    let next = 0;
    const worker = async (at: number) => {
      for (let index = next++; index < count; index = next++) {
        const name = `${prefix}-${index}`;
        const document = {
          kind: 'role',
          version: 'v7',
          metadata: { name },
          spec: { allow: { kubernetes_groups: ['viewers'] } },
        };
        // A refused or unanswered call promises nothing; only success must hold.
        await apis[at % apis.length]!.resources.create(document).then(
          () => created.push(name),
          () => {},
        );
        if (created.length >= count / 10) underway.resolve();
      }
    };
    await Promise.all(Array.from({ length: 50 }, (_, at) => worker(at)));
    for (const api of apis) await api[Symbol.asyncDispose]();
    underway.resolve();
    return created;
  };
  return { underway: underway.promise, done: run() };
}
