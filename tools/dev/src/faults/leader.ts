import type { SeparateStack } from '@postern/testkit';

/** The node of NATS that leads a JetStream stream, as faults name it. */
export async function leaderOf({ servers }: SeparateStack, stream: string): Promise<string> {
  for (const url of servers.nats.monitorUrls()) {
    const leader = await leaderAt(url, stream).catch(() => undefined);
    if (leader) return leader.replace('node-', 'nats-');
  }
  throw new Error(`no node of NATS knows who leads ${stream}`);
}

async function leaderAt(monitorUrl: string, stream: string): Promise<string | undefined> {
  const answer = await fetch(`${monitorUrl}/jsz?streams=true&accounts=true`, {
    signal: AbortSignal.timeout(5000),
  });
  const body = (await answer.json()) as {
    account_details?: { stream_detail?: { name: string; cluster?: { leader?: string } }[] }[];
  };
  const streams = (body.account_details ?? []).flatMap(({ stream_detail: detail = [] }) => detail);
  return streams.find(({ name }) => name === stream)?.cluster?.leader;
}
