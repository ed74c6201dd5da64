import { randomUUID } from 'node:crypto';
import { createUserKey } from '@postern/bus';
import {
  type ChallengeRequest,
  IssuedIdentity,
  JoinChallenge,
  type JoinRequest,
  joinRequestDigest,
} from '@postern/contracts';
import { failure, type Json, type JsonObject, Secret } from '@postern/core';
import { caPin, generateKeyPair, HeldIdentity, keyFingerprint, makeCsr, splitPem } from '@postern/identity';
import { Compile } from 'typebox/compile';
import type { IdentityOptions } from './identity-options.ts';
import { callControlPlane, type CallTls, UnexpectedAnswer } from './join-client.ts';
import { methodNamed } from './methods/index.ts';
import type { ProvingMethod } from './methods/method.ts';
import { Outbound } from './outbound/outbound.ts';
import { persist } from './persist.ts';
import type { AgentState } from './stored-identity.ts';
import { anchoredTls, findAnchor, heldTls } from './trust-anchor.ts';

const issued = Compile(IssuedIdentity);
const issuedChallenge = Compile(JoinChallenge);

/** There is neither a stored identity nor a token to get one by. */
export const NoJoinToken = failure(
  'failed_precondition',
  'agent.no_join_token',
  () => 'there is no stored identity and no join token: a process needs one of them',
);

/** Keys that exist before anybody has certified them. */
export interface NewKeys {
  readonly key: string;
  readonly busSeed: string;
  /** Public part of the bus user's key. */
  readonly busKey: string;
}

/** Makes the key of a certificate and that of a bus user. Neither ever leaves the process but into its own state file. */
export async function makeKeys(): Promise<NewKeys> {
  const { privateKey } = await generateKeyPair();
  const { seed: busSeed, publicKey: busKey } = createUserKey();
  return { key: privateKey, busSeed, busKey };
}

/**
 * Joins by token, with the proof of its method. Every attempt carries the same join id and the same keys: if an answer is lost,
 * the next attempt gets the identity that was made for the first one. Challenge and proof are new for each.
 */
export async function enroll(options: IdentityOptions): Promise<AgentState> {
  const { joinUrls, trust, token: given, roles, hostname, service, views = [], signal } = options;
  if (given === undefined) throw NoJoinToken();
  const method = methodNamed(options.method ?? 'token', options.methods);
  const token = given instanceof Secret ? given.reveal() : given;
  const keys = await makeKeys();
  const body = {
    method: method.name,
    token,
    roles: [...roles],
    hostname,
    ...(service === undefined ? {} : { service }),
    joinId: randomUUID(),
    ...(await requestFor(keys, views)),
  };
  return persist('joining', options, async (count) => {
    const joinUrl = joinUrls[count % joinUrls.length]!;
    const { outbound = new Outbound() } = options;
    const anchor = await findAnchor(trust, joinUrl, { outbound, signal });
    const url = new URL('/v1/join', joinUrl).href;
    const way = { tls: anchoredTls(anchor), outbound, signal };
    const proof = await proofOf(method, { body, keys, way, joinUrl }, options);
    const reply = await ask({ url, body: { ...body, ...proof }, ...way });
    const knownPins = anchor === undefined ? [] : splitPem(anchor).map(caPin);
    const state = { ...stateFrom(url, keys, views, reply), knownPins };
    return { ...state, ...(service === undefined ? {} : { service }) };
  });
}

/** Renews by the identity that is held, with keys that were stored before this is called. */
export async function renew(
  held: HeldIdentity,
  keys: NewKeys,
  options: IdentityOptions,
  attempt: number,
): Promise<AgentState> {
  const { joinUrls, trust, views = [], outbound = new Outbound(), signal } = options;
  const url = new URL('/v1/renew', joinUrls[attempt % joinUrls.length]).href;
  const body = await requestFor(keys, views);
  return stateFrom(url, keys, views, await ask({ url, body, tls: heldTls(held, trust), outbound, signal }));
}

/** Asks whether the identity that is held still holds. Fails as the refusal, or as unavailable. */
export async function askStanding(held: HeldIdentity, options: IdentityOptions): Promise<void> {
  const { joinUrls, trust, outbound = new Outbound(), signal } = options;
  const url = new URL('/v1/agents/self', joinUrls[0]).href;
  await callControlPlane({ url, tls: heldTls(held, trust), outbound, signal });
}

/** Asks whom to trust. What comes back is to be believed by its signature. */
export function askTrust(held: HeldIdentity, options: IdentityOptions): Promise<Json> {
  const { joinUrls, trust, outbound = new Outbound(), signal } = options;
  const url = new URL('/v1/trust', joinUrls[0]).href;
  return callControlPlane({ url, tls: heldTls(held, trust), outbound, signal });
}

/** Tells the control plane by which revision of the trust this process goes. */
export async function tellFollowed(
  held: HeldIdentity,
  options: IdentityOptions,
  { revision, attempt }: { readonly revision: number; readonly attempt: number },
): Promise<void> {
  const { joinUrls, trust, outbound = new Outbound(), signal } = options;
  const url = new URL('/v1/agents/self/trust', joinUrls[attempt % joinUrls.length]).href;
  await callControlPlane({ url, body: { revision }, tls: heldTls(held, trust), outbound, signal });
}

interface Unproven {
  readonly body: JoinRequest;
  readonly keys: NewKeys;
  readonly joinUrl: string;
  readonly way: Omit<Question, 'url' | 'body'>;
}

/** What is added to a request to join, so that the control plane believes it. */
async function proofOf(
  method: ProvingMethod,
  { body, keys, way, joinUrl }: Unproven,
  { clock, env = {}, signal }: IdentityOptions,
): Promise<{ readonly challenge?: string; readonly proof?: JsonObject }> {
  const key = keyFingerprint(keys.key);
  const challenge = method.hasChallenge ? await challengeFor({ method: method.name, key }, joinUrl, way) : '';
  const request = joinRequestDigest(body);
  const proof = await method.prove({ token: body.token, key, request, challenge, env, clock, signal });
  return { ...(method.hasChallenge ? { challenge } : {}), ...(proof ? { proof } : {}) };
}

async function challengeFor(use: ChallengeRequest, joinUrl: string, way: Unproven['way']): Promise<string> {
  const url = new URL('/v1/join/challenge', joinUrl).href;
  const reply = await callControlPlane({ url, body: use, ...way });
  if (!issuedChallenge.Check(reply)) throw UnexpectedAnswer(url);
  return reply.challenge;
}

interface Question {
  readonly url: string;
  readonly body: Json;
  readonly tls: CallTls;
  readonly outbound: Outbound;
  readonly signal: AbortSignal | undefined;
}

async function ask({ url, body, tls, outbound, signal }: Question): Promise<IssuedIdentity> {
  const reply = await callControlPlane({ url, body, tls, outbound, signal });
  if (!issued.Check(reply)) throw UnexpectedAnswer(url);
  return reply;
}

async function requestFor({ key, busKey }: NewKeys, views: readonly string[]) {
  return { csr: await makeCsr(key), busKey, views: [...views] };
}

function stateFrom(
  url: string,
  keys: NewKeys,
  views: readonly string[],
  identity: IssuedIdentity,
): AgentState {
  const { agentId, clusterName, certificate, hostCa, userCa, hostChain, trustRevision, bus } = identity;
  const trust = { hostCa, userCa, hostChain: hostChain ?? '', trustRevision: trustRevision ?? 0 };
  const state = { agentId, clusterName, certificate, ...trust, bus, ...keys, views: [...views] };
  // Throws unless the certificate is one of ours, made for our key, and names us.
  if (heldFrom(state).current().principal.id !== agentId) throw UnexpectedAnswer(url);
  return state;
}

/** The identity that a state describes. */
export function heldFrom(state: AgentState, clock?: IdentityOptions['clock']): HeldIdentity {
  return new HeldIdentity(materialOf(state), clock);
}

/** The certificate part of a state. */
export function materialOf({ key, certificate, hostCa, userCa, hostChain, clusterName }: AgentState) {
  return { key, certificate, hostCa, userCa, hostChain, clusterName };
}
