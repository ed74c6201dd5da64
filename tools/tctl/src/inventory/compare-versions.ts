/** Orders `1.10.0` after `1.9.3`; a pre-release comes before its release; a leading `v` does not count. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let at = 0; at < 3; at += 1) {
    const difference = (left.numbers[at] ?? 0) - (right.numbers[at] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  if (left.pre === right.pre) return 0;
  if (left.pre === '') return 1;
  return right.pre === '' ? -1 : left.pre.localeCompare(right.pre, 'en', { numeric: true });
}

function partsOf(version: string): { numbers: number[]; pre: string } {
  const [release = '', pre = ''] = version.replace(/^v/, '').replace(/\+.*$/, '').split(/-(.*)/s);
  return { numbers: release.split('.').map((part) => Number(part) || 0), pre };
}
