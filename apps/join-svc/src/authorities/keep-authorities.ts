import type { Bus } from '@postern/bus';
import { type Clock, messageOf } from '@postern/core';
import { type HeldIdentity, sealerFrom, spiffeId } from '@postern/identity';
import type { Telemetry } from '@postern/telemetry';
import type { BackgroundJobs } from '../background-jobs.ts';
import type { JoinConfig } from '../config.ts';
import type { JoinStore } from '../database.ts';
import type { JoinDeps } from '../deps.ts';
import { writeCaFile } from '../files.ts';
import { followRotation } from '../rotation/follow-rotation.ts';
import { trustTeller } from '../rotation/tell-trust.ts';
import { writeAdminIdentity } from './admin-identity.ts';
import type { Certifier } from './certify.ts';
import { type LiveAuthorities, openAuthorities } from './open-authorities.ts';
import { issueOwnIdentity } from './own-identity.ts';

interface KeepDeps {
  readonly store: JoinStore;
  readonly bus: Pick<Bus, 'publish'>;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
  readonly jobs: BackgroundJobs;
  /** Name of this process. */
  readonly agentId: string;
}

type KeepConfig = Pick<JoinConfig, 'key' | 'clusterName' | 'agentTtlMs' | 'userTtlMs'> &
  Partial<Pick<JoinConfig, 'publicAddrs' | 'adminIdentityFile' | 'dataDir'>>;

/** The authorities as they are at each moment, and what this process makes of them. */
export interface KeptAuthorities extends AsyncDisposable {
  readonly held: HeldIdentity;
  readonly known: Pick<JoinDeps, 'certifier' | 'rotation' | 'trust'>;
}

/**
 * Opens the authorities and follows their rotation. When it moves, this process certifies itself anew before it tells anybody, since
 * whoever hears of it may ask here at once.
 */
export async function keepAuthorities(deps: KeepDeps, config: KeepConfig): Promise<KeptAuthorities> {
  const { store, clock, telemetry, jobs, agentId } = deps;
  const { agentTtlMs: lifeMs, clusterName } = config;
  const sealer = sealerFrom(config.key);
  const authorities = await openAuthorities({ store, clock, sealer }, clusterName);
  const certifier = certifierOf(authorities, clock, config);
  const { held, renew } = await issueOwnIdentity(certifier, { id: agentId, lifeMs });
  jobs.keepFresh('the certificate of this service', lifeMs, renew);
  const by = spiffeId(held.current().principal);
  const writeAgain = await writeFiles({ store, certifier, clock, jobs, by }, config);
  const trust = trustTeller(deps);
  await trust.tell(authorities.current());
  authorities.onChange(async (changed) => {
    await renew();
    // Both are tried again: the one soon, the other at two thirds of what a file is good for.
    await trust.tell(changed).catch((error: unknown) => warn('the trust was not told', error));
    await writeAgain().catch((error: unknown) => warn('the files of this machine are old', error));
  });
  const warn = (what: string, error: unknown) => telemetry.log.warn(what, { error: messageOf(error) });
  const rotation = { store, sealer, clock, authorities };
  const following = followRotation({ ...rotation, teller: trust, telemetry, by });
  return {
    held,
    known: { certifier, rotation, trust },
    [Symbol.asyncDispose]: () => following[Symbol.asyncDispose](),
  };
}

interface FileDeps {
  readonly store: JoinStore;
  readonly certifier: Certifier;
  readonly clock: Clock;
  readonly jobs: BackgroundJobs;
  readonly by: string;
}

/** Writes what others on this machine read, and returns how to do so again when the authorities have changed. */
async function writeFiles({ jobs, by, ...deps }: FileDeps, config: KeepConfig): Promise<() => Promise<void>> {
  const { adminIdentityFile: path, dataDir, userTtlMs: lifeMs } = config;
  const writeAdmin = async () => {
    if (path !== undefined) await writeAdminIdentity(deps, { path, lifeMs, by });
  };
  const write = async () => {
    if (dataDir !== undefined) await writeCaFile(dataDir, deps.certifier.authorities.hostCa);
    await writeAdmin();
  };
  await write();
  if (path !== undefined) jobs.keepFresh('the identity file of the administrator', lifeMs, writeAdmin);
  return write;
}

function certifierOf(
  authorities: LiveAuthorities,
  clock: Clock,
  { publicAddrs = [] }: KeepConfig,
): Certifier {
  return {
    get authorities() {
      return authorities.current();
    },
    clock,
    publicAddrs,
  };
}
