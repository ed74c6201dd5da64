import {
  AuthorityRotationEnded,
  AuthorityRotationStarted,
  type RotateRequest,
  type RotationMode,
  type RotationPhase,
  type StoredEvent,
} from '@postern/contracts';
import { type Clock, derivedUuid, uuidv7 } from '@postern/core';
import { handle } from '@postern/event-store';
import { type Authority, caPin, certifySuccessor, createAuthority, type Sealer } from '@postern/identity';
import type { Transaction } from 'kysely';
import { insertAuthority, retireAuthorities } from '../authorities/authority-rows.ts';
import { type LiveAuthorities, rotationStream } from '../authorities/open-authorities.ts';
import type { JoinDb, JoinStore } from '../database.ts';
import { countFollowers, revokeLeftBehind } from './followers.ts';
import { type AuthorityUse, type Mover, type RotationCommand, rotationDecider } from './rotation.ts';

/** What rotating needs. */
export interface RotationDeps {
  readonly store: JoinStore;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly authorities: LiveAuthorities;
}

/** Who wants it, and the id by which a repetition is known. */
export interface Commander {
  readonly by: string;
  readonly commandId: string;
}

const defaultGraceSeconds = 48 * 3600;
/** So long after its beginning a rotation is forgiven to whoever slept through it. */
const successorKnownMs = 60 * 24 * 3_600_000;

/** Begins a rotation, or moves the one under way on or back. */
export async function rotate(
  deps: RotationDeps,
  request: RotateRequest,
  commander: Commander,
): Promise<void> {
  if (request.phase === 'init') await start(deps, request, commander);
  else await move(deps, { to: request.phase, force: request.force ?? false }, commander);
}

/** What the schedule does: nothing where somebody else has done it. It waits for nobody. */
export async function continueRotation(
  deps: RotationDeps,
  { rotationId, phase }: { readonly rotationId: string; readonly phase: RotationPhase },
  by: string,
): Promise<void> {
  const mover = await moverOf(deps, by, true);
  const commandId = derivedUuid('rotation', rotationId, phase);
  await run(deps, { type: 'Continue', rotationId, from: phase, mover }, { by, commandId });
}

async function move(
  deps: RotationDeps,
  { to, force }: { readonly to: RotationPhase; readonly force: boolean },
  commander: Commander,
): Promise<void> {
  await run(deps, { type: 'Move', to, mover: await moverOf(deps, commander.by, force) }, commander);
}

async function moverOf(
  { store, clock, authorities }: RotationDeps,
  by: string,
  force: boolean,
): Promise<Mover> {
  await authorities.refresh();
  const at = clock();
  const { total, followed } = await countFollowers(store.db, authorities.current().revision, at);
  return { by, at: at.toISOString(), behind: total - followed, total, force };
}

interface Candidate {
  readonly authority: Authority;
  readonly replaces: string;
  readonly chain: string | undefined;
}

async function start(deps: RotationDeps, request: RotateRequest, commander: Commander): Promise<void> {
  const { clock } = deps;
  const { type = 'all', mode = 'manual', graceSeconds = defaultGraceSeconds } = request;
  const uses: AuthorityUse[] = type === 'all' ? ['host', 'user'] : [type];
  await deps.authorities.refresh();
  const candidates = await Promise.all(uses.map((use) => candidateFor(deps, use)));
  const started = {
    rotationId: uuidv7(clock().getTime()),
    mode: mode satisfies RotationMode,
    graceSeconds,
    by: commander.by,
    at: clock().toISOString(),
    authorities: candidates.map(({ authority: { use, certificate }, replaces }) => ({
      use,
      pin: caPin(certificate),
      replaces,
      certificate,
    })),
  };
  await run(deps, { type: 'Start', started }, commander, candidates);
}

async function candidateFor({ authorities, clock }: RotationDeps, use: AuthorityUse): Promise<Candidate> {
  const { standing, clusterName } = authorities.current();
  const authority = await createAuthority({ use, clusterName, clock });
  const notAfter = new Date(clock().getTime() + successorKnownMs);
  const chain = use === 'host' ? await certifySuccessor(standing.host, authority, notAfter) : undefined;
  return { authority, replaces: caPin(standing[use].certificate), chain };
}

async function run(
  deps: RotationDeps,
  command: RotationCommand,
  { by, commandId }: Commander,
  candidates: readonly Candidate[] = [],
): Promise<void> {
  const { store, authorities } = deps;
  await handle(store, {
    stream: rotationStream,
    decider: rotationDecider,
    command,
    commandId,
    meta: { actor: by },
    also: async (trx, events) => {
      for (const event of events) await applyRows(deps, trx, event, candidates);
    },
  });
  await authorities.refresh();
}

/** The rows that follow from a fact. Of two replicas that begin at once, one's fact is refused, and its authorities with it. */
async function applyRows(
  { sealer, clock }: RotationDeps,
  trx: Transaction<JoinDb>,
  event: StoredEvent,
  candidates: readonly Candidate[],
): Promise<void> {
  if (event.type === AuthorityRotationStarted.type)
    for (const candidate of candidates) await insertAuthority(trx, sealer, candidate);
  if (event.type !== AuthorityRotationEnded.type) return;
  const { retired } = AuthorityRotationEnded.read(event);
  await retireAuthorities(trx, retired, clock());
  await revokeLeftBehind(trx, retired, clock());
}
