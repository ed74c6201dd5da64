import type { ExplainedRole, ExplainedRule, KubeExplanation, Replay } from '@postern/access';
import { headlessText, oneLine, tableText } from '@postern/cli';
import type { PolicyAtReply } from '@postern/client';
import type { WhyAnswer } from './explain-request.ts';
import { requestText } from './request-words.ts';
import { notDecidedText } from './other-refusals.ts';
import { missText, ruleText } from './rule-text.ts';

/** The answer for people: what was asked, how it ended, by what, and whether it would end so today. */
export function whyText(answer: WhyAnswer): string {
  const { replay } = answer;
  const parts = [
    requestPart(answer),
    ...(replay ? [decisionPart(replay.explanation), rolesPart(replay.explanation, answer.policy)] : []),
    verdictPart(answer),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function requestPart({ at, request }: WhyAnswer): string {
  const { users, groups } = request.impersonate;
  const asked = [...users.map((user) => `user ${user}`), ...groups.map((group) => `group ${group}`)];
  const { decided } = request;
  const differs = decided && (decided.verb !== request.verb || decided.name !== request.name);
  return headlessText([
    ['Request', request.requestId],
    ['Time', at],
    ['User', `${request.user} from ${request.sourceIp || 'an unknown address'}`],
    ['Cluster', `${request.cluster}${labelsText(request.clusterLabels)}`],
    ['Asked', requestText(request)],
    ...(differs ? [['Decided on', requestText({ ...request, ...decided })]] : []),
    ...(asked.length > 0 ? [['Asked to be', asked.join(', ')]] : []),
    ['Outcome', outcomeText(request)],
  ]);
}

function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  if (!labels) return ' (its labels were not recorded)';
  const text = Object.entries(labels)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`);
  return ` (${text.join(' ') || 'no labels'})`;
}

function outcomeText({ decision, reason, status, kubeUser, kubeGroups }: WhyAnswer['request']): string {
  const sent = status === 0 ? 'the client went away first' : `HTTP ${status}`;
  if (decision === 'deny') return `DENIED: ${reason}, ${sent}`;
  const as = `as user ${kubeUser}, groups ${kubeGroups.join(', ') || '(none)'}`;
  return reason === '' ? `ALLOWED ${as}; ${sent}` : `ALLOWED ${as}; then ${reason}, ${sent}`;
}

function decisionPart({
  basis,
  decision,
  decidedBy,
  limitedBy,
  nearest,
  principals,
}: KubeExplanation): string {
  const given = `users ${principals.users.join(', ') || '(none)'}, groups ${principals.groups.join(', ') || '(none)'}`;
  const lines = [
    heading(basis, decision.allowed, decidedBy.length),
    ...decidedBy.map((rule) => `  ${ruleText(rule)}`),
    ...(limitedBy.length > 0 ? ['Denied of it:', ...limitedBy.map((rule) => `  ${ruleText(rule)}`)] : []),
    ...(nearest.length > 0 ? ['What comes closest:', ...nearest.map((miss) => `  ${missText(miss)}`)] : []),
    ...(basis === 'principals' ? [`These roles give ${given}`] : []),
    ...(decision.allowed ? [] : [`The refusal: ${decision.message.split('\n')[0]!}`]),
  ];
  return `${lines.map(oneLineKeepingIndent).join('\n')}\n`;
}

function heading(basis: KubeExplanation['basis'], isAllowed: boolean, rules: number): string {
  if (basis === 'lock') return 'Refused because of a lock, whatever the roles allow.';
  if (basis === 'open')
    return 'Open to everybody who reaches the cluster: discovery, health, or a review of oneself.';
  if (basis === 'cluster') return 'Decided by the labels of the cluster, before any rule was read.';
  if (basis === 'principals')
    return 'Refused for whom it would have acted as. The rules would have allowed it:';
  if (isAllowed) return rules === 1 ? 'Allowed by this rule:' : 'Allowed by these rules:';
  if (rules === 0) return 'No rule of any role allows it.';
  return rules === 1 ? 'Denied by this rule:' : 'Denied by these rules:';
}

function rolesPart({ roles }: KubeExplanation, policy: PolicyAtReply): string {
  if (roles.length === 0) return `${noRolesText(policy)}\n`;
  const columns = ['Role', 'Cluster', 'Its rules', 'Groups', 'Version', 'Written at', 'Written by'];
  const rows = roles.map((role) => {
    const written = policy.roles.find(({ name }) => name === role.name);
    const { version = 0, at = '', actor = '' } = written ?? {};
    return [role.name, clusterText(role), saysText(role), role.groups.join(','), String(version), at, actor];
  });
  return tableText({ columns, rows });
}

function noRolesText({ user: { name, state, expires } }: PolicyAtReply): string {
  const reasons: Record<PolicyAtReply['user']['state'], string> = {
    active: `User ${name} had no roles.`,
    absent: `User ${name} did not exist.`,
    locked: `User ${name} was locked, and had no roles for that.`,
    expired: `User ${name} had expired at ${expires ?? 'some time before'}, and had no roles for that.`,
    unreadable_role: `User ${name} had a role that this version cannot read, and had no roles for that.`,
  };
  return oneLine(reasons[state]);
}

function clusterText({ cluster, reason }: ExplainedRole): string {
  if (cluster === 'selected') return 'selected';
  return cluster === 'refused' ? 'REFUSED by its deny side' : `not selected (${reason})`;
}

function saysText({ says }: ExplainedRole): string {
  return { denies: 'DENY it', allows: 'allow it', nothing: 'say nothing' }[says];
}

function verdictPart(answer: WhyAnswer): string {
  const lines = [
    ['Policy', policyText(answer)],
    ['Replay', replayText(answer)],
    ['Today', todayText(answer)],
  ];
  return headlessText(lines.filter(([, text]) => text !== ''));
}

function policyText({ policy, request }: WhyAnswer): string {
  const span = `${policy.since || 'the beginning'} to ${policy.until || 'now'}`;
  if (policy.isExact && request.policyRevision !== '')
    return `revision ${policy.revision}, found exactly as recorded; roles, users and locks were so from ${span}`;
  if (request.policyRevision === '')
    return `no revision was recorded; by its time it was ${policy.revision}, from ${span}`;
  return `revision ${request.policyRevision} WAS NOT FOUND; the nearest by time is ${policy.revision}, from ${span}`;
}

function replayText(answer: WhyAnswer): string {
  const { replay, request, labels } = answer;
  if (!replay)
    return labels === 'unknown' && request.reason !== 'kube.cluster_not_found'
      ? 'not possible: the labels of the cluster were not recorded'
      : notDecidedText(request.reason);
  const note =
    labels === 'today' ? ', taking the cluster’s labels of today for those that were not recorded' : '';
  if (replay.differences.length === 0) return `agrees with what was recorded${note}`;
  return `DIFFERS from what was recorded in ${replay.differences.join(', ')}: ${endText(replay)}${note}${expiryText(answer)}`;
}

const noticedMs = 15_000;

/** Nothing happens when a user expires, so an edge that has decided the same a moment before needs a while to notice. */
function expiryText({ at, policy: { user } }: WhyAnswer): string {
  const ended = user.state === 'expired' ? Date.parse(at) - Date.parse(user.expires ?? '') : Number.NaN;
  return ended < noticedMs ? '; the user had expired seconds before, which an edge notices within ten' : '';
}

function todayText({ today }: WhyAnswer): string {
  if (!today) return '';
  const basis = today.labels === 'today' ? '' : ', if the cluster still has the labels it had then';
  if (!today.differs && today.replay.differences.includes('reason'))
    return `the same request would be denied too, but for another reason (${today.replay.code})${basis}`;
  if (!today.differs) return `the same request would end the same${basis}`;
  return `OTHERWISE: the same request would be ${endText(today.replay)}${basis}${byText(today.replay.explanation.decidedBy)}`;
}

function endText({ outcome, code, explanation: { decision } }: Replay): string {
  if (outcome === 'deny') return `denied (${code})`;
  if (!decision.allowed) return 'allowed';
  return `allowed as user ${decision.kubeUser}, groups ${decision.kubeGroups.join(', ') || '(none)'}`;
}

function byText([first]: readonly ExplainedRule[]): string {
  return first ? `, by ${ruleText(first)}` : '';
}

function oneLineKeepingIndent(line: string): string {
  return `${line.startsWith('  ') ? '  ' : ''}${oneLine(line)}`;
}
