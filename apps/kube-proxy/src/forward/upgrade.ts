import type { Duplex, Readable } from 'node:stream';
import { type AppError, failure } from '@postern/core';
import { statusBody, statusCode } from '@postern/kube';
import { BadGateway } from './answers.ts';
import type { UpgradeAnswer } from '../listen/upgrade-answer.ts';
import { statusHeaders } from '../listen/refuse.ts';
import { responseHeaders } from './response-headers.ts';
import type { AnswerHeaders, UpgradeProtocol, UpgradeUpstream, UpstreamRequest } from './upstream.ts';

export const UnsupportedUpgrade = failure(
  'invalid_argument',
  'kube.unsupported_upgrade',
  () => 'only upgrades to websocket and SPDY/3.1 are supported',
);

/** An upgrade to forward. Nothing was answered to the client yet. */
export interface Upgrade {
  readonly upstream: UpgradeUpstream;
  readonly request: UpstreamRequest;
  readonly protocol: UpgradeProtocol;
  readonly client: UpgradeAnswer;
  readonly begun: (status: number) => void;
  readonly done: (error: AppError | undefined) => void;
}

/** The protocol a client asks for, in the one spelling that goes upstream. */
export function readProtocol(upgrade: string | undefined): UpgradeProtocol {
  const asked = upgrade?.toLowerCase();
  if (asked === 'websocket') return 'websocket';
  if (asked === 'spdy/3.1') return 'SPDY/3.1';
  throw UnsupportedUpgrade();
}

/** The handshake headers that go upstream: bearer tokens and extensions taken out. */
export function handshakeHeaders(headers: readonly string[]): string[] {
  const kept: string[] = [];
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at]!;
    const value = name === 'sec-websocket-protocol' ? withoutBearer(headers[at + 1]!) : headers[at + 1]!;
    if (value !== '') kept.push(name, value);
  }
  return kept;
}

const bearerPrefix = 'base64url.bearer.authorization.k8s.io.';

function withoutBearer(protocols: string): string {
  const offered = protocols.split(',').map((protocol) => protocol.trim());
  return offered.filter((protocol) => protocol !== '' && !protocol.startsWith(bearerPrefix)).join(', ');
}

const maxRefusalBytes = 65_536;

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

class UpgradeFlight {
  readonly #options: Upgrade;
  #attempt: { destroy(): void } | undefined;
  #isAnswered = false;
  #isDone = false;

  constructor(options: Upgrade) {
    this.#options = options;
    options.client.onClose(() => this.#finish(undefined));
  }

  start(): void {
    const { upstream, request, protocol } = this.#options;
    this.#attempt = upstream.upgrade(request, protocol, {
      joined: (headers, stream) => this.#joined(headers, stream),
      refused: (status, headers, body) => this.#refused(status, headers, body),
      failed: (error) => this.#fail(error),
    });
    if (this.#isDone) this.#attempt.destroy();
  }

  cut(error: AppError): void {
    if (this.#isAnswered) this.#finish(error);
    else this.#fail(error);
  }

  #joined(headers: AnswerHeaders, upstream: Duplex): void {
    if (this.#isDone) return;
    const { client, protocol, begun } = this.#options;
    this.#isAnswered = true;
    upstream.on('error', () => undefined);
    upstream.once('close', () => this.#finish(undefined));
    const stream = client.join(protocol, joinHeaders(headers));
    upstream.pipe(stream);
    stream.pipe(upstream);
    begun(101);
  }

  #refused(status: number, headers: AnswerHeaders, body: Readable): void {
    const chunks: Buffer[] = [];
    let size = 0;
    body.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxRefusalBytes) this.#fail(BadGateway('its refusal of the upgrade is too long'));
      else chunks.push(chunk);
    });
    body.once('end', () => this.#relay(status, responseHeaders(headers), Buffer.concat(chunks)));
    body.once('error', () => this.#fail(BadGateway('its refusal of the upgrade is incomplete')));
  }

  #relay(status: number, headers: readonly string[], body: Buffer): void {
    if (this.#isAnswered || this.#isDone) return;
    this.#isAnswered = true;
    const { client, begun } = this.#options;
    client.refuse(status, headers, body);
    begun(status);
    this.#finish(undefined);
  }

  #fail(error: AppError): void {
    if (this.#isAnswered || this.#isDone) return;
    this.#isAnswered = true;
    refuseUpgrade(this.#options.client, error);
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

/** What the two ends agreed on. Extensions are left out, as they were never offered. */
function joinHeaders(headers: AnswerHeaders): string[] {
  return ['sec-websocket-accept', 'sec-websocket-protocol', 'x-stream-protocol-version'].flatMap((name) => {
    const value = headers[name];
    return typeof value === 'string' ? [name, value] : [];
  });
}
