import type { BusMessage } from '@postern/bus';
import { maySeeSecrets, type ViewKeyReply, ViewKeyRequest } from '@postern/contracts';
import { failure, toAppError } from '@postern/core';
import { verifyViewProof, wrapViewKeys } from '@postern/identity';
import { Compile } from 'typebox/compile';
import { rememberProved, requireEntitled, ViewForbidden } from './entitlement.ts';
import { findViewKeys, noteHolder } from './view-keys.ts';
import { agentOf, type ServeViewsDeps } from './view-request.ts';
import { findView, hasLease, viewLeaseMs } from './view-table.ts';

/** The same for a view that does not exist, so that nobody learns of views by asking. */
const NoKeys = failure(
  'permission_denied',
  'resource.no_view_keys',
  () => 'there are no keys for this agent: it has to read a view with secrets, and ask as itself',
);

const keyRequest = Compile(ViewKeyRequest);

/**
 * Gives an agent the keys of a view with secrets, wrapped for a key that it made for this question. It must be the agent
 * that the bus says it is, hold a certificate with the role Kube, and read the view at this moment.
 */
export async function giveViewKeys(deps: ServeViewsDeps, message: BusMessage): Promise<ViewKeyReply> {
  const agentId = agentOf(message);
  try {
    const request = message.json();
    if (!keyRequest.Check(request)) throw NoKeys();
    const { hash, proof } = request;
    const wrapped = await wrappedKeys(deps, { agentId, hash, proof });
    deps.telemetry.log.info('the keys of a view were given', { agent: agentId, view: hash });
    return { ok: true, wrapped };
  } catch (error) {
    const { code, message: text } = toAppError(error);
    deps.telemetry.log.warn('the keys of a view were refused', { agent: agentId, code, error: text });
    return { ok: false, code, message: text };
  }
}

async function wrappedKeys(
  { store, sealer, identity, clock }: ServeViewsDeps,
  { agentId, hash, proof }: ViewKeyRequest & { readonly agentId: string },
): Promise<string> {
  const at = clock();
  const expected = { agentId, hash, trust: identity.trust(), at };
  const { principal, recipient } = await verifyViewProof(proof, expected);
  if (!maySeeSecrets(principal.roles) || !recipient) throw ViewForbidden('secrets');
  const view = await findView(store.db, hash);
  if (!view?.selector.secrets) throw NoKeys();
  await rememberProved(store.db, { agentId, roles: principal.roles, at });
  await requireEntitled(store.db, { agentId, selector: view.selector });
  const since = new Date(at.getTime() - viewLeaseMs);
  if (!(await hasLease(store.db, { hash, agentId, since }))) throw NoKeys();
  const keys = await findViewKeys({ db: store.db, sealer }, hash);
  // First the note, then the key: whoever leaves is known to have it.
  const isNoted = await noteHolder(store.db, { hash, agentId, epochs: [...keys.keys()] });
  if (keys.size === 0 || !isNoted) throw NoKeys();
  return wrapViewKeys(keys, recipient, { hash, agentId });
}
