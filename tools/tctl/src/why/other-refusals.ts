const meanings: Readonly<Record<string, string>> = {
  'kube.cluster_not_found': 'the edge knew no cluster of that name',
  'kube.teleport_cluster_not_found': 'the request was for another Postern cluster',
  'kube.policy_too_old': 'the edge had not heard of roles and users for too long to allow anything',
  'kube.unsupported_impersonation_header': 'the client asked to act as more than a user and groups',
  'kube.invalid_impersonation_user': 'the client asked to act as several users at once',
};

/** Why nothing can be decided again: the request ended before anybody asked what roles allow. */
export function notDecidedText(code: string): string {
  const meaning = meanings[code];
  return `not possible: it was refused before roles were asked${meaning === undefined ? ` (${code})` : `, because ${meaning}`}`;
}
