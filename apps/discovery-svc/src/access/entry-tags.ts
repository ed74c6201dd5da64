import type { EksAccessEntry } from '@postern/aws';

/** What an access entry of ours is for: agents for good, or this process as administrator for a moment. */
export type EntryPurpose = 'kube-agents' | 'elevation';

/** The group of Kubernetes that agents are in (compatibility with clusters that were set up before). */
export const agentGroup = 'teleport:kube-service:eks';

const purposeTag = 'postern:purpose';
const groupTag = 'postern:discovery-group';

/** By these tags, which are made with an entry in one request, it is known as ours, whoever dies after that request. */
export function entryTags(purpose: EntryPurpose, group: string): Record<string, string> {
  return { [purposeTag]: purpose, [groupTag]: group };
}

/** For what an entry was made by us; undefined for those of others. */
export function purposeOf({ tags }: EksAccessEntry): EntryPurpose | undefined {
  const purpose = tags.get(purposeTag);
  return purpose === 'kube-agents' || purpose === 'elevation' ? purpose : undefined;
}

/** Which discovery group made it. */
export function groupOf({ tags }: EksAccessEntry): string | undefined {
  return tags.get(groupTag);
}
