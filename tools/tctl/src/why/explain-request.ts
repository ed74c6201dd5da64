import { type Replay, replayRequest } from '@postern/access';
import type { Api, AuditedRequest, PolicyAtReply } from '@postern/client';
import type { Role } from '@postern/contracts';
import { AppError, type Clock, delay, failure } from '@postern/core';

/** Text that cannot be the id of a request. */
const InvalidRequestId = failure(
  'invalid_argument',
  'tctl.invalid_request_id',
  (text: string) =>
    `${JSON.stringify(text.slice(0, 80))} is no id of a request: the refusal that the user saw has it, and tctl audit ls lists them`,
);

type Labels = Readonly<Record<string, string>>;

/** A recorded request, explained. */
export interface WhyAnswer {
  readonly at: string;
  readonly request: AuditedRequest['request'];
  /** The policy that it was decided by, or what is nearest to it. */
  readonly policy: PolicyAtReply;
  /** Which labels the cluster is taken to have had: those of today stand in for what an older edge did not record. */
  readonly labels: 'recorded' | 'today' | 'unknown';
  /** The decision again, by that policy. Absent where no decision about roles was recorded. */
  readonly replay?: Replay;
  /** Whether the same request would end otherwise now. */
  readonly today?: {
    readonly differs: boolean;
    readonly policy: PolicyAtReply;
    readonly labels: 'recorded' | 'today';
    readonly replay: Replay;
  };
}

/** Reads what was recorded and the policy of that moment, and decides again: then, and today. */
export async function explainRequest(api: Api, id: string, clock: Clock): Promise<WhyAnswer> {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(id)) throw InvalidRequestId(id);
  const { at, request } = await readRecord(api, id, clock);
  const { user, session, policyRevision: revision, cluster } = request;
  const about = { user, cluster, ...(session === '' ? {} : { session }) };
  const known = /^[0-9a-f]{16}$/.test(revision) ? { revision } : {};
  const policy = await api.audit.policyAt({ ...about, at, ...known });
  const [now, current] = await Promise.all([api.audit.policyAt(about), currentLabels(api, cluster)]);
  const replay = replayed(request, policy, request.clusterLabels ?? current);
  const todays = replayed(request, now, current ?? request.clusterLabels);
  return {
    at,
    request,
    policy,
    labels: request.clusterLabels ? 'recorded' : current ? 'today' : 'unknown',
    ...(replay ? { replay } : {}),
    ...(todays
      ? {
          today: {
            differs: todays.differences.some((part) => part !== 'roles' && part !== 'reason'),
            policy: now,
            labels: current ? 'today' : 'recorded',
            replay: todays,
          },
        }
      : {}),
  };
}

const retryMs = 300;
const freshMs = 10_000;

/** A request is recorded a moment after it was answered, so one that was made just now may not be there yet. */
async function readRecord({ audit }: Api, id: string, clock: Clock): Promise<AuditedRequest> {
  for (;;) {
    try {
      return await audit.request(id);
    } catch (error) {
      const isMissing = error instanceof AppError && error.code === 'inventory.request_not_found';
      if (!isMissing || Math.abs(clock().getTime() - madeAt(id)) > freshMs) throw error;
      await delay(retryMs);
    }
  }
}

/** Ids of requests begin with the milliseconds at which they were made, as a UUID of version 7 does. */
function madeAt(id: string): number {
  return /^[0-9a-f]{8}-[0-9a-f]{4}-7/.test(id) ? Number.parseInt(id.replace('-', '').slice(0, 12), 16) : 0;
}

/** Labels of the cluster as it is served now. Somebody who reads audit records need not be able to see it. */
async function currentLabels({ inventory }: Api, name: string): Promise<Labels | undefined> {
  const clusters = await inventory.clusters();
  return clusters.find((cluster) => cluster.name === name)?.labels;
}

function replayed(
  request: AuditedRequest['request'],
  { user, roles, lock }: PolicyAtReply,
  labels: Labels | undefined,
): Replay | undefined {
  if (!labels) return undefined;
  return replayRequest(request, {
    user: { name: user.name, traits: user.traits },
    roles: roles.map(({ role }) => role as Role),
    clusterLabels: labels,
    lock: lock && { target: lock, message: lock.message },
  });
}
