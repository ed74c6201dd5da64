import { generateKeyPair, writeIdentityFile } from '@postern/identity';
import { uuidv7 } from '@postern/core';
import { startSession, type SessionDeps } from '../sessions/session.ts';
import { after, certifyUser } from './certify.ts';

const adminUser = 'admin';

/** Where the identity of the administrator of this machine goes. */
export interface AdminIdentity {
  readonly path: string;
  readonly lifeMs: number;
  /** SPIFFE id of this service. */
  readonly by: string;
}

/**
 * Writes an identity file for the user `admin`, 0600. Whoever may read the files of this service's account administers the
 * cluster anyway; the certificate is short-lived and replaced in time, so that a copy is of use for hours only.
 */
export async function writeAdminIdentity(
  deps: SessionDeps,
  { path, lifeMs, by }: AdminIdentity,
): Promise<void> {
  const { privateKey: key, publicKey } = await generateKeyPair();
  const session = uuidv7(deps.clock().getTime());
  const notAfter = after(deps.clock, lifeMs);
  const certificate = await certifyUser(deps.certifier, { user: adminUser, session, publicKey, notAfter });
  await startSession(deps, { session, user: adminUser, by, notAfter });
  const { hostCa, clusterName } = deps.certifier.authorities;
  const [proxy] = deps.certifier.publicAddrs;
  await writeIdentityFile(path, {
    key,
    certificate,
    hostCa,
    clusterName,
    ...(proxy === undefined ? {} : { proxy }),
  });
}
