import { statusBody } from '@postern/kube';
import { BadGateway } from '../forward/answers.ts';
import { type Channel, type CommandEnd, type CommandEvents, serverChannels } from './command-end.ts';
import type { CommandRequest } from './command-request.ts';
import { streamsOf } from './spdy-end.ts';

/** Makes one side, which tells these events. */
export type OpenEnd = (events: CommandEvents) => CommandEnd;

const readyTimeoutMs = 30_000;

/** Joins a client and an API server that speak different protocols. */
export function joinCommand(request: CommandRequest, openClient: OpenEnd, openServer: OpenEnd): void {
  new CommandJoint(request).open(openClient, openServer);
}

interface Side {
  end?: CommandEnd;
  isReady: boolean;
}

/**
 * Each side is read only while the other can take what comes. The client's side is closed in order when everything that the
 * server has to say was said: its outputs and how the command ended.
 */
class CommandJoint {
  readonly #client: Side = { isReady: false };
  readonly #server: Side = { isReady: false };
  readonly #unfinished: Set<Channel>;
  readonly #timeout: NodeJS.Timeout;
  #hasStatus = false;

  constructor(request: CommandRequest) {
    this.#unfinished = new Set(streamsOf(request).filter((channel) => serverChannels.includes(channel)));
    this.#timeout = setTimeout(() => this.#giveUp(), readyTimeoutMs);
  }

  open(openClient: OpenEnd, openServer: OpenEnd): void {
    this.#client.end = openClient({
      ...this.#flow(this.#client, this.#server),
      finished: (channel) => this.#server.end?.finish(channel),
      closed: () => this.#giveUp(),
    });
    this.#client.end.pause();
    this.#server.end = openServer({
      ...this.#flow(this.#server, this.#client),
      finished: (channel) => this.#serverFinished(channel),
      closed: () => this.#client.end?.close(),
    });
    // A side that still has to agree on its streams is read for that; what comes on them comes later.
    if (!this.#client.isReady) this.#server.end.pause();
    if (this.#server.isReady || !this.#client.isReady) this.#client.end.resume();
  }

  #flow(from: Side, to: Side): Pick<CommandEvents, 'ready' | 'data' | 'drained'> {
    return {
      ready: () => {
        from.isReady = true;
        if (to.isReady) clearTimeout(this.#timeout);
        to.end?.resume();
      },
      data: (channel, chunk) => {
        this.#hasStatus ||= channel === 'error';
        if (!to.end!.send(channel, chunk)) from.end?.pause();
      },
      drained: () => {
        if (from.isReady) to.end?.resume();
      },
    };
  }

  #serverFinished(channel: Channel): void {
    const client = this.#client.end!;
    if (channel === 'error' && !this.#hasStatus)
      client.send('error', Buffer.from(statusBody(BadGateway(lost))));
    client.finish(channel);
    this.#unfinished.delete(channel);
    if (this.#unfinished.size === 0) client.close();
  }

  #giveUp(): void {
    clearTimeout(this.#timeout);
    this.#client.end?.destroy();
    this.#server.end?.destroy();
  }
}

const lost = 'it ended the stream without saying how the command ended';
