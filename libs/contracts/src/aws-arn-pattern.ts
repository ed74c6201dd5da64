/**
 * Patterns for ARNs, as `aws_arn` of a rule: `*` stands for any text and `?` for one character, within the parts between the colons.
 * A wildcard that crossed a colon could make one part of an ARN match what was meant for another.
 */

const partCount = 6;

/** The account that a pattern names without a wildcard. */
export function accountOf(pattern: string): string | undefined {
  const account = partsOf(pattern)?.[4];
  return account !== undefined && /^[0-9]{12}$/.test(account) ? account : undefined;
}

/** Why a text is no pattern that an ARN of STS or IAM could match; undefined where it is one. */
export function whyNoArnPattern(text: string): string | undefined {
  if (text.length > 2048) return 'is longer than 2048 characters';
  const parts = partsOf(text);
  if (!parts)
    return 'must have six parts with colons between them, like arn:aws:sts::111111111111:assumed-role/name/*';
  const [arn, partition, service, region, , resource] = parts as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  if (arn !== 'arn') return 'must begin with "arn:"';
  if (!/^[a-z?*-]+$/.test(partition)) return 'must name a partition, such as aws';
  if (!['sts', 'iam'].some((name) => matches(service, name))) return 'must be of the service sts or iam';
  if (region !== '') return 'must name no region: ARNs of sts and iam have none';
  return resource === '' ? 'must name a role or user' : undefined;
}

/** Whether an ARN matches a pattern, part by part, as a whole, with upper and lower case apart. */
export function arnMatches(pattern: string, arn: string): boolean {
  const [wanted, found] = [partsOf(pattern), partsOf(arn)];
  return (
    wanted !== undefined && found !== undefined && wanted.every((part, index) => matches(part, found[index]!))
  );
}

/** Whether the session of an assumed role is all that a pattern restricts, or more: sessions are named by whoever assumes the role. */
export function reliesOnSession(pattern: string): boolean {
  const [kind, , session] = partsOf(pattern)?.[5]?.split('/') ?? [];
  return kind === 'assumed-role' && session !== undefined && session !== '*';
}

/** Whether a pattern leaves open which role or user is meant. */
export function isBroad(pattern: string): boolean {
  const [kind = '', name = ''] = partsOf(pattern)?.[5]?.split('/') ?? [];
  return kind.includes('*') || name.startsWith('*');
}

function partsOf(text: string): string[] | undefined {
  const parts = text.split(':');
  return parts.length === partCount ? parts : undefined;
}

/** Two positions and one point to return to: no pattern takes longer than the product of both lengths. */
function matches(pattern: string, text: string): boolean {
  let [at, from] = [0, 0];
  let star: { readonly at: number; from: number } | undefined;
  while (from < text.length) {
    if (pattern[at] === '*') {
      star = { at, from };
      at += 1;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === text[from])) {
      at += 1;
      from += 1;
    } else if (star) {
      star.from += 1;
      at = star.at + 1;
      from = star.from;
    } else {
      return false;
    }
  }
  return /^\**$/.test(pattern.slice(at));
}
