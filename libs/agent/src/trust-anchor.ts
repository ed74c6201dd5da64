import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { failure, isPlainObject, messageOf } from '@postern/core';
import { caPin, claimsOf, type HeldIdentity, splitPem } from '@postern/identity';
import { callControlPlane, type CallTls, UnexpectedAnswer } from './join-client.ts';
import type { Outbound } from './outbound/outbound.ts';

/** How a process that knows nobody yet recognises its control plane. */
export interface TrustSource {
  /** `sha256:<64 hex>` of the host CA's public key; several while the CA is being rotated. */
  readonly caPin?: string | readonly string[] | undefined;
  /** PEM file of the host CA. */
  readonly caFile?: string | undefined;
}

/** Somebody answered, but not the control plane that was pinned. */
export const PinMismatch = failure(
  'unauthenticated',
  'agent.pin_mismatch',
  (pins: readonly string[], url: string, seen: readonly string[]) =>
    `no certificate authority of ${url} has the pin ${pins.join(' or ')}, it has ${seen.join(' and ') || 'none'}: ` +
    'is this the right control plane? tctl status shows the pin',
);

/** A CA file that cannot be read. */
export const UnreadableCa = failure(
  'invalid_argument',
  'agent.unreadable_ca',
  (path: string, why: string) => `the CA file ${path} cannot be used: ${why}`,
);

/**
 * The host CA to trust at the first contact; undefined means the public authorities of the runtime. With a pin it is
 * fetched over a connection that is not trusted, which is safe because only the pinned key is taken from it.
 */
export async function findAnchor(
  source: TrustSource,
  joinUrl: string,
  { outbound, signal }: { readonly outbound: Outbound; readonly signal: AbortSignal | undefined },
): Promise<string | undefined> {
  if (source.caFile !== undefined) return readCaFile(source.caFile);
  const pins = pinsOf(source);
  if (pins.length === 0) return undefined;
  const url = new URL('/v1/trust', joinUrl).href;
  const reply = await callControlPlane({
    url,
    tls: { rejectUnauthorized: false },
    outbound,
    ...(signal ? { signal } : {}),
  });
  if (!isPlainObject(reply) || typeof reply['hostCa'] !== 'string') throw UnexpectedAnswer(url);
  // One that was replaced is good for recognising its successor: the control plane sends what it certified of it.
  const { hostCa, formerHostCa = '' } = reply;
  const pinned = pinnedIn(`${hostCa}${typeof formerHostCa === 'string' ? formerHostCa : ''}`, pins);
  if (pinned === '') throw PinMismatch(pins, joinUrl, pinsIn(hostCa));
  return pinned;
}

function pinsOf({ caPin: pins = [] }: TrustSource): string[] {
  return [pins].flat().map((pin) => pin.toLowerCase());
}

function pinnedIn(bundle: string, pins: readonly string[]): string {
  return splitPem(bundle)
    .filter((pem) => pins.includes(caPin(pem)))
    .join('');
}

async function readCaFile(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw UnreadableCa.from(error, path, messageOf(error));
  });
  const bundle = splitPem(text).join('');
  if (bundle === '') throw UnreadableCa(path, 'it holds no certificate');
  return bundle;
}

/** Whether a stored host CA is the one that the configuration names, or came in the place of that one. */
export async function isStillTrusted(
  { hostCa, knownPins = [] }: { readonly hostCa: string; readonly knownPins?: readonly string[] },
  source: TrustSource,
): Promise<boolean> {
  const named = source.caFile === undefined ? pinsOf(source) : pinsIn(await readCaFile(source.caFile));
  const known = [...pinsIn(hostCa), ...knownPins];
  return named.length === 0 || named.some((pin) => known.includes(pin));
}

function pinsIn(bundle: string): string[] {
  return splitPem(bundle).map(caPin);
}

/** TLS options for talking to the control plane when only its anchor is known. */
export function anchoredTls(anchor: string | undefined): CallTls {
  return anchor === undefined
    ? { minVersion: 'TLSv1.2' }
    : { ca: anchor, minVersion: 'TLSv1.2', checkServerIdentity: isService };
}

/** TLS options for talking to the control plane with an identity. */
export function heldTls(held: HeldIdentity, source: TrustSource): CallTls {
  const { key, certificate, hostCa } = held.current();
  const isPublic = source.caFile === undefined && pinsOf(source).length === 0;
  return {
    key,
    cert: certificate,
    minVersion: 'TLSv1.2',
    ...(isPublic ? { checkServerIdentity } : anchoredTls(hostCa)),
  };
}

// The host CA certifies agents too, and their certificates may serve: an agent must not pass for the control plane.
function isService(_: string, { raw }: PeerCertificate): Error | undefined {
  try {
    const isControlPlane = claimsOf(new X509Certificate(raw)).type === 'svc';
    return isControlPlane ? undefined : UnexpectedAnswer('a server that is not the control plane');
  } catch (error) {
    return error as Error;
  }
}
