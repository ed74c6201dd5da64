import { replayRequest } from '@postern/access';
import type { Api, AuditedRequest, PolicyAtReply } from '@postern/client';
import type { Role } from '@postern/contracts';

/** What came of deciding every recorded request again. */
export interface ReplayedRequests {
  readonly requests: number;
  /** Those about which roles decided. */
  readonly decided: number;
  /** One line for each whose policy was not found exactly, or that came out otherwise. */
  readonly problems: readonly string[];
}

/** Decides all recorded requests again, each by the policy of its moment. */
export async function replayRecorded(api: Api, user?: string): Promise<ReplayedRequests> {
  const policies = new Map<string, Promise<PolicyAtReply>>();
  const problems: string[] = [];
  const ids = await idsOf(api, user);
  let decided = 0;
  for (const id of ids) {
    const { at, request } = await api.audit.request(id);
    if (request.policyRevision === '') continue;
    decided += 1;
    const query = { user: request.user, revision: request.policyRevision };
    const key = JSON.stringify(query);
    policies.set(key, policies.get(key) ?? api.audit.policyAt({ ...query, at }));
    problems.push(...problemsOf(request, await policies.get(key)!));
  }
  return { requests: ids.length, decided, problems };
}

async function idsOf(api: Api, user: string | undefined): Promise<string[]> {
  const ids: string[] = [];
  for (let before = ''; ;) {
    const page = await api.audit.requests({
      limit: '1000',
      ...(user === undefined ? {} : { user }),
      ...(before === '' ? {} : { before }),
    });
    ids.push(...page.requests.map(({ requestId }) => requestId));
    if (page.next === '') return ids;
    before = page.next;
  }
}

function problemsOf(request: AuditedRequest['request'], policy: PolicyAtReply): string[] {
  const about = `${request.requestId} of ${request.user} at revision ${request.policyRevision}`;
  if (!policy.isExact) return [`${about}: there was no such policy`];
  const { user } = policy;
  const roles = policy.roles.map(({ role }) => role as Role);
  const replay = replayRequest(request, { user: { name: user.name, traits: user.traits }, roles });
  if (!replay) return [`${about}: it cannot be decided again`];
  return replay.differences.length === 0
    ? []
    : [`${about}: ${request.decision} ${request.reason} came out as ${replay.outcome} ${replay.code}`];
}
