import { openView, type View } from '@postern/bus';
import { everything, type Selector } from '@postern/contracts';
import type { Api } from '@postern/client';
import type { SeparateStack } from '@postern/testkit';
import { joinAgent } from './agents.ts';
import { teams } from './write-clusters.ts';

/** A view that is read by an agent with a connection of its own, and what ought to be in it. */
export interface ReadView {
  readonly name: string;
  readonly view: View;
  /** Whether a cluster with these labels belongs to it. */
  readonly has: (labels: Readonly<Record<string, string>>) => boolean;
}

interface Choice {
  readonly name: string;
  readonly selector: Selector;
  readonly has: ReadView['has'];
}

const kinds = ['kube_cluster'];

const choices: readonly Choice[] = [
  ...teams.map((team) => ({
    name: team,
    selector: { kinds, any: [{ labels: { team: [team] } }] },
    has: ({ team: own }: Readonly<Record<string, string>>) => own === team,
  })),
  {
    name: 'two of three',
    selector: { kinds, any: [{ labels: { team: ['r*'] } }, { labels: { team: ['b*'] } }] },
    has: ({ team = '' }) => team.startsWith('r') || team.startsWith('b'),
  },
  { name: 'everything', selector: everything('kube_cluster'), has: () => true },
];

/** Opens views, `each` readers for every selector, and waits until all are complete. Closing the scope closes them. */
export async function openReaders(
  { stack, api, each }: { readonly stack: SeparateStack; readonly api: Api; readonly each: number },
  scope: AsyncDisposableStack,
): Promise<ReadView[]> {
  const readers: ReadView[] = [];
  for (const { name, selector, has } of choices) {
    for (let at = 0; at < each; at += 1) {
      const { bus, identity } = scope.use(await joinAgent({ stack, api, role: 'Kube', views: [selector] }));
      const view = openView(bus, { agentId: identity.agentId, selector });
      scope.defer(() => view.close());
      readers.push({ name: `${name} (${at})`, view, has });
    }
  }
  await Promise.all(readers.map(({ view }) => view.ready));
  return readers;
}
