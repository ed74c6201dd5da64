import { Agent, request } from 'node:https';

/** What a load has seen. */
export interface LoadReport {
  readonly answered: number;
  /** Requests that were begun and not answered with 200. */
  readonly failed: readonly string[];
  readonly slowestMs: number;
  /** Under which the edges record what they answered with 200. */
  readonly requestIds: readonly string[];
}

/** How to reach clusters through an edge as somebody. */
export interface Caller {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** Requests that go on until they are stopped. */
export interface Load {
  stop(): Promise<LoadReport>;
  /** So many answers came until now. */
  answered(): number;
}

const workers = 4;
const timeoutMs = 20_000;

/**
 * Asks for the same over and over, each worker one request at a time on a connection that it keeps. A connection that could not be
 * opened is not counted: a client behind a balancer comes to another edge. Between its requests a worker pauses, where it is told to.
 */
export function startLoad(origins: readonly string[], path: string, caller: Caller, pauseMs = 0): Load {
  const agent = new Agent({ ...caller, keepAlive: true, checkServerIdentity: () => undefined });
  const seen = {
    answered: 0,
    failed: [] as string[],
    slowestMs: 0,
    requestIds: [] as string[],
    isOver: false,
  };
  const work = async (at: number) => {
    for (let turn = at; !seen.isOver; turn += 1) {
      const begun = performance.now();
      try {
        const { status, text, requestId } = await get(agent, new URL(path, origins[turn % origins.length]));
        if (status === 200) {
          seen.answered += 1;
          seen.requestIds.push(requestId);
        } else seen.failed.push(`${status} ${text.slice(0, 300)}`);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === 'ECONNREFUSED') await new Promise((resolve) => setTimeout(resolve, 20));
        else seen.failed.push(`${code}: ${message}`);
      }
      seen.slowestMs = Math.max(seen.slowestMs, performance.now() - begun);
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const running = Promise.all(Array.from({ length: workers }, (_, at) => work(at)));
  return {
    answered: () => seen.answered,
    async stop() {
      seen.isOver = true;
      await running;
      agent.destroy();
      return seen;
    },
  };
}

interface GotAnswer {
  readonly status: number;
  readonly text: string;
  readonly requestId: string;
}

function get(agent: Agent, url: URL): Promise<GotAnswer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent, timeout: timeoutMs }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      const requestId = String(response.headers['postern-request-id']);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text, requestId }));
      response.once('error', reject);
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer in time')));
    asked.once('error', reject);
    asked.end();
  });
}
