import type { Duplex, Readable } from 'node:stream';
import type { AppError } from '@postern/core';
import { statusBody, statusCode } from '@postern/kube';
import type { UpgradeAnswer } from '../listen/upgrade-answer.ts';
import { statusHeaders } from '../listen/refuse.ts';
import { BadGateway, ClientLeft, OutcomeUnknown } from './answers.ts';
import { responseHeaders } from './response-headers.ts';
import type {
  AnswerHeaders,
  Arrival,
  UpgradeProtocol,
  UpgradeUpstream,
  UpstreamRequest,
} from './upstream.ts';

/** The client of an upgrade. One that has no `cut` is closed without a word once it has switched. */
export interface UpgradeClient extends UpgradeAnswer {
  /** Ends what was switched and says why, as far as its protocol can; it is closed soon after. */
  cut?(error: AppError): void;
}

/** One way to ask for what the client wants. */
export interface UpgradePlan {
  readonly request: UpstreamRequest;
  readonly protocol: UpgradeProtocol;
  /** What the client asked for, which is another one where `join` translates. */
  readonly clientProtocol: UpgradeProtocol;
  /** What the client is told of the switch, name and value in turn. Throws where the server agreed to what nobody offered. */
  readonly agreed: (headers: AnswerHeaders) => readonly string[];
  readonly join: (client: Duplex, upstream: Duplex, headers: AnswerHeaders) => void;
  /** Whether `join` also ends the client in order once the upstream has ended, within a few seconds. */
  readonly endsClient?: boolean;
}

/** An answer that switches nothing, read whole. */
export interface Refusal {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Buffer;
}

type Refused = Omit<Refusal, 'body'> & { readonly body: Readable };

/** Who is asked for an upgrade, and how. */
export interface UpgradeTurn {
  readonly upstream: UpgradeUpstream;
  /** Tried in turn, as long as `triesNext` says so of the refusal. */
  readonly plans: readonly UpgradePlan[];
}

/** An upgrade to forward. */
export interface Upgrade extends UpgradeTurn {
  readonly client: UpgradeClient;
  /** Whom to ask when nothing of the request has reached this upstream, or asking twice does nothing twice. */
  readonly retry?: () => UpgradeTurn | undefined;
  /** Whether asking twice does nothing twice: so for forwarded ports, and not for commands. */
  readonly isRepeatable?: boolean;
  readonly triesNext?: (refusal: Refusal, plan: UpgradePlan) => boolean;
  /** Told once with the status that the client got, and what the upstream said with it. */
  readonly begun: (status: number, headers: AnswerHeaders) => void;
  /** Told once: with what cut it, with ClientLeft, or with nothing when the upstream ended it. */
  readonly done: (error: AppError | undefined) => void;
}

const maxRefusalBytes = 65_536;
const lingerMs = 30_000;
const maxTurns = 4;

/**
 * Forwards an upgrade over a connection of its own. The two sides are joined only after a 101 that switches to what was
 * asked for; any other answer is relayed and both connections are closed, because bytes that follow a refused upgrade
 * would reach the API server with our credentials (CVE-2018-1002105).
 */
export function forwardUpgrade(options: Upgrade): { cut(error: AppError): void } {
  const flight = new UpgradeFlight(options);
  flight.start();
  return flight;
}

/** Joins two ends that speak the same. */
export function joinBytes(client: Duplex, upstream: Duplex): void {
  upstream.pipe(client);
  client.pipe(upstream);
}

class UpgradeFlight {
  readonly #options: Upgrade;
  #upstream: UpgradeUpstream;
  #plans: UpgradePlan[];
  #turns = 1;
  #attempt: { destroy(): void } | undefined;
  #isAnswered = false;
  #isDone = false;
  #cutBy: AppError | undefined;
  #hasUpstreamEnded = false;

  constructor(options: Upgrade) {
    this.#options = options;
    this.#upstream = options.upstream;
    this.#plans = [...options.plans];
    options.client.onClose(() =>
      this.#finish(this.#cutBy ?? (this.#hasUpstreamEnded ? undefined : ClientLeft())),
    );
  }

  start(): void {
    if (this.#options.client.isClosed) this.#finish(ClientLeft());
    else this.#try();
  }

  cut(error: AppError): void {
    this.#cutBy ??= error;
    if (!this.#isAnswered) this.#fail(error);
    else if (this.#options.client.cut) this.#options.client.cut(error);
    else this.#finish(error);
  }

  #try(): void {
    const plan = this.#plans.shift()!;
    let attempt: { destroy(): void } | undefined;
    attempt = this.#upstream.upgrade(plan.request, plan.protocol, {
      joined: (headers, stream) => this.#joined(plan, headers, stream),
      refused: (status, headers, body) => {
        void this.#readRefusal(plan, { status, headers, body }, () => attempt?.destroy());
      },
      failed: (error, arrival) => this.#failed(error, arrival),
    });
    this.#attempt = attempt;
    if (this.#isDone) attempt.destroy();
  }

  #failed(error: AppError, arrival: Arrival): void {
    if (this.#isAnswered || this.#isDone) return;
    const isSafe = arrival === 'nowhere' || this.#options.isRepeatable === true;
    if (BadGateway.is(error)) return this.#fail(error);
    const next = isSafe && this.#turns < maxTurns ? this.#options.retry?.() : undefined;
    if (!next) return this.#fail(isSafe ? error : OutcomeUnknown.from(error));
    this.#turns += 1;
    this.#upstream = next.upstream;
    this.#plans = [...next.plans];
    this.#try();
  }

  async #readRefusal(plan: UpgradePlan, refused: Refused, destroy: () => void): Promise<void> {
    try {
      const refusal = await readRefusal(refused);
      destroy();
      this.#refused(refusal, plan);
    } catch (error) {
      this.#fail(error as AppError);
    }
  }

  #joined(plan: UpgradePlan, headers: AnswerHeaders, upstream: Duplex): void {
    if (this.#isDone || this.#isAnswered) return;
    const { client, begun } = this.#options;
    let agreed: readonly string[];
    try {
      agreed = plan.agreed(headers);
    } catch (error) {
      upstream.destroy();
      this.#fail(error as AppError);
      return;
    }
    this.#isAnswered = true;
    upstream.on('error', () => undefined);
    upstream.once('end', () => (this.#hasUpstreamEnded = true));
    upstream.once('close', () => this.#upstreamGone(plan));
    plan.join(client.join(plan.clientProtocol, agreed), upstream, headers);
    begun(101, headers);
  }

  /** What it sent last may still be on its way: a client that is ended in order closes when it has read that. */
  #upstreamGone({ endsClient = false }: UpgradePlan): void {
    if (this.#isDone || this.#cutBy) return;
    if (!endsClient && !this.#hasUpstreamEnded) this.#finish(undefined);
    else {
      this.#hasUpstreamEnded = true;
      setTimeout(() => this.#finish(undefined), lingerMs).unref();
    }
  }

  #refused(refusal: Refusal, plan: UpgradePlan): void {
    if (this.#isAnswered || this.#isDone) return;
    if (this.#plans.length > 0 && this.#options.triesNext?.(refusal, plan)) {
      this.#try();
      return;
    }
    this.#isAnswered = true;
    this.#options.client.refuse(refusal.status, responseHeaders(refusal.headers), refusal.body);
    this.#options.begun(refusal.status, refusal.headers);
    this.#finish(undefined);
  }

  #fail(error: AppError): void {
    if (this.#isAnswered || this.#isDone) return;
    this.#isAnswered = true;
    const { client } = this.#options;
    if (!client.isClosed) refuseUpgrade(client, error);
    this.#finish(error);
  }

  #finish(error: AppError | undefined): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#attempt?.destroy();
    this.#options.client.close();
    this.#options.done(error);
  }
}

/** Answers an upgrade with a metav1.Status and closes the connection. */
export function refuseUpgrade(client: UpgradeAnswer, error: AppError): void {
  client.refuse(statusCode(error), statusHeaders(error), Buffer.from(statusBody(error)));
}

async function readRefusal({ status, headers, body }: Refused): Promise<Refusal> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > maxRefusalBytes) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw BadGateway.from(error, 'its refusal of the upgrade is incomplete');
  }
  if (size > maxRefusalBytes) throw BadGateway('its refusal of the upgrade is too long');
  return { status, headers, body: Buffer.concat(chunks) };
}
