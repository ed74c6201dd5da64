import type { BusAccess } from '@postern/contracts';
import { messageOf } from '@postern/core';
import { type HeldIdentity, readCertificate } from '@postern/identity';
import { enroll, heldFrom } from './enroll.ts';
import type { IdentityOptions } from './identity-options.ts';
import { IdentityEnded, RefusedByControlPlane } from './join-client.ts';
import { Renewal } from './renewal.ts';
import { type AgentState, type StateFile, stateFileOf } from './stored-identity.ts';
import { isStillTrusted } from './trust-anchor.ts';

/** Who a joined process is, kept current until it is closed. */
export interface AgentIdentity extends AsyncDisposable {
  readonly held: HeldIdentity;
  readonly agentId: string;
  readonly clusterName: string;
  readonly roles: readonly string[];
  /** How to reach the bus now; read it again at each connection, for it changes with each renewal. */
  readonly bus: BusAccess & { readonly seed: string };
  /**
   * Aborts when the control plane has refused the identity, which ends with its certificate then. Whoever opens it again renews
   * it, or joins anew; unless the reason is `IdentityEnded`.
   */
  readonly lost: AbortSignal;
  /** Calls back after each renewal. Returns how to stop. */
  onRenewed(listener: () => void): () => void;
  /** Asks the control plane whether the identity holds; `lost` tells when it does not. */
  check(): Promise<void>;
  /** Renews now instead of at two thirds of the certificate's life. */
  renew(): Promise<void>;
  /** Takes what was heard of whom to trust, and follows it where an authority signed it that is trusted now. */
  hearTrust(message: unknown): Promise<void>;
  /** Asks the control plane whom to trust, and follows that. */
  askTrust(): Promise<void>;
}

/**
 * Gives the process its identity: the stored one while it holds, otherwise a new one by joining. Renews it at two thirds
 * of its life until closed.
 */
export async function openIdentity(options: IdentityOptions): Promise<AgentIdentity> {
  const file = stateFileOf(options);
  const renewal = (await resume(options, file)) ?? (await start(options, file));
  renewal.start();
  return {
    held: renewal.held,
    agentId: renewal.state.agentId,
    clusterName: renewal.state.clusterName,
    roles: renewal.held.current().principal.roles,
    get bus() {
      return { ...renewal.state.bus, seed: renewal.state.busSeed };
    },
    lost: renewal.lost,
    onRenewed: (listener) => renewal.onRenewed(listener),
    check: () => renewal.check(),
    renew: () => renewal.renewNow(),
    hearTrust: (message) => renewal.trust.hear(message),
    askTrust: () => renewal.trust.ask(),
    [Symbol.asyncDispose]: () => renewal[Symbol.asyncDispose](),
  };
}

async function start(options: IdentityOptions, file: StateFile): Promise<Renewal> {
  const state = await enroll(options);
  await file.write(state);
  options.telemetry.log.info('joined the control plane', {
    agentId: state.agentId,
    roles: options.roles.join(','),
  });
  return new Renewal({ options, file, state });
}

async function resume(options: IdentityOptions, file: StateFile): Promise<Renewal | undefined> {
  const state = await file.read();
  if (!state || !(await mayResume(state, options))) return undefined;
  const renewal = new Renewal({ options, file, state });
  try {
    // A renewal that was begun is ended before anything else, as is one that other views make necessary.
    if (renewal.isDue()) await renewal.renewNow();
  } catch (error) {
    await renewal[Symbol.asyncDispose]();
    if (IdentityEnded.is(error)) throw IdentityEnded.from(error, `${error.message} (it is in ${file.place})`);
    if (!RefusedByControlPlane.is(error)) throw error;
    options.telemetry.log.warn('the stored identity was refused; joining anew', { error: messageOf(error) });
    return undefined;
  }
  options.telemetry.log.info('resumed the stored identity', { agentId: state.agentId });
  return renewal;
}

async function mayResume(state: AgentState, options: IdentityOptions): Promise<boolean> {
  const why = await whyNot(state, options);
  if (why !== undefined)
    options.telemetry.log.warn('the stored identity is not used; joining anew', { reason: why });
  return why === undefined;
}

async function whyNot(
  state: AgentState,
  { trust, roles, service, clock }: IdentityOptions,
): Promise<string | undefined> {
  if (readCertificate(state.certificate).validToDate <= clock()) return 'it has expired';
  if (state.service !== service) return 'it is that of another service';
  if (!(await isStillTrusted(state, trust))) return 'another certificate authority is configured';
  try {
    const { principal } = heldFrom(state, clock).current();
    return isSameSet(principal.roles, roles) ? undefined : 'other roles are configured';
  } catch (error) {
    return messageOf(error);
  }
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && new Set([...one, ...other]).size === one.length;
}
