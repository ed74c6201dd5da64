import type { ImpersonationRequest, KubeAttributes, KubeDecision } from '@postern/access';
import type { DataOf, KubeRequestAudited } from '@postern/contracts';
import type { RequestInfo } from '../request/request-info.ts';

type Recorded = DataOf<typeof KubeRequestAudited>;
type Labels = Readonly<Record<string, string>>;

// A fact may have 64 k characters in all; what a client or an agent can make long must not push the record over it.
const maxLabelCharacters = 12_000;
const maxGroups = 50;
const maxNameCharacters = 200;

const known = new WeakMap<Labels, Labels | { readonly isTooLong: true }>();
const tooLong = { isTooLong: true } as const;

/** Labels of a cluster for a record, by reference: they are the same object for every request. None when they are too long. */
export function recordedLabels(labels: Labels): Labels | undefined {
  let recorded = known.get(labels);
  if (recorded === undefined) {
    recorded = JSON.stringify(labels).length > maxLabelCharacters ? tooLong : labels;
    known.set(labels, recorded);
  }
  return recorded === tooLong ? undefined : (recorded as Labels);
}

const nobody: Recorded['impersonate'] = { users: [], groups: [] };

/** Whom the client asked to act as. Groups beyond the bound are left out: names that long or many are in no role. */
export function recordedImpersonation(asked: ImpersonationRequest | undefined): Recorded['impersonate'] {
  if (!asked?.user && !asked?.groups) return nobody;
  return { users: bounded(asked.user ?? []), groups: bounded(asked.groups ?? []) };
}

/** The roles that allowed a request, or that were considered. */
export function rolesOf(decision: KubeDecision | undefined): readonly string[] {
  if (!decision) return [];
  return decision.allowed ? decision.roles : decision.rolesConsidered;
}

/** What was decided about, where that is not what the path says. */
export function decidedInstead(
  { verb, name }: RequestInfo,
  attributes: KubeAttributes | undefined,
): Recorded['decided'] {
  if (!attributes || (attributes.verb === verb && attributes.name === name)) return undefined;
  return { verb: attributes.verb, name: attributes.name.slice(0, 1024) };
}

/** What a client calls itself, in printable ASCII: whoever lists it must not have his terminal told what to do. */
export function recordedUserAgent(userAgent: string): string {
  if (userAgent.length <= maxNameCharacters && /^[\x20-\x7e]*$/.test(userAgent)) return userAgent;
  return userAgent
    .slice(0, maxNameCharacters)
    .replaceAll(/[^\x20-\x7e]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function bounded(names: readonly string[]): string[] {
  return names.slice(0, maxGroups).map((name) => name.slice(0, maxNameCharacters));
}
