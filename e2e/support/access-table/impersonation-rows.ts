import type { RawRequest } from '../signed-in-user.ts';
import {
  adminGroup,
  allowed,
  type Expected,
  pods,
  powerlessGroup,
  refused,
  type RoleParts,
  type Row,
  shows,
  v8,
} from './row.ts';

const both: RoleParts = {
  version: 'v8',
  allow: { kubernetes_groups: [adminGroup, powerlessGroup], kubernetes_resources: [pods()] },
};
const oneUser: RoleParts = {
  version: 'v8',
  allow: { kubernetes_users: ['deployer'], kubernetes_resources: [pods()] },
};
const twoUsers: RoleParts = {
  version: 'v8',
  allow: { kubernetes_users: ['deployer', 'tester'], kubernetes_resources: [pods()] },
};
const usersOnly: RoleParts = {
  version: 'v8',
  allow: { kubernetes_groups: [], kubernetes_users: ['lab-root'], kubernetes_resources: [pods()] },
};

const getPod = 'get pod web-1 -n dev -o name';
const web1 = shows('pod/web-1');
const denial = (why: string) => refused(`impersonation request has been denied, ${why}`);
const noUser = (name: string) => denial(`user header "${name}" is not allowed in roles`);
const noGroup = (name: string) => denial(`group header "${name}" value is not allowed in roles`);
const byApiServer = (user: string) =>
  refused(
    `pods "web-1" is forbidden: User "${user}" cannot get resource "pods" in API group "" in the namespace "dev"`,
  );

const asked = (what: string, role: RoleParts, flags: string, expected: Expected): Row => ({
  what,
  roles: [role],
  ask: `${getPod} ${flags}`.trim(),
  expected,
});

const withHeaders = (...headers: readonly string[]): RawRequest => ({
  method: 'GET',
  path: '/api/v1/namespaces/dev/pods/web-1',
  headers,
});

const sent = (what: string, role: RoleParts, headers: readonly string[], expected: Expected): Row => ({
  what,
  roles: [role],
  ask: withHeaders(...headers),
  expected,
});

const unsupported = (header: string) => denial(`unsupported impersonation header "${header}"`);
const several = denial('invalid user header: send exactly one value');

/** Who a request may run as: with kubectl's own flags, and with headers that kubectl would not send. */
export const impersonationRows: readonly Row[] = [
  asked('without a choice the user is that of Teleport and has all groups', both, '', web1),
  asked('one kubernetes user is taken without asking', usersOnly, '', web1),
  asked(
    'one kubernetes user is somebody else to the API server',
    { ...oneUser, allow: { ...oneUser.allow, kubernetes_groups: [powerlessGroup] } },
    '',
    byApiServer('deployer'),
  ),
  asked('the own name may be asked for', both, '--as USER', web1),
  asked('another name is refused', both, '--as stranger', noUser('stranger')),
  asked('a name that is nearly allowed is refused', oneUser, '--as deployer2', noUser('deployer2')),
  asked('the own name is refused where roles name another', oneUser, '--as USER', noUser('USER')),
  asked(
    'one of two kubernetes users has to be chosen',
    twoUsers,
    '',
    refused(
      'please select a user to impersonate (kubectl --as), refusing to select a user due to several kubernetes_users set up for this user',
    ),
  ),
  asked('one of two kubernetes users may be chosen', twoUsers, '--as tester', web1),
  asked(
    'none but the two kubernetes users may be chosen',
    twoUsers,
    '--as system:admin',
    noUser('system:admin'),
  ),
  asked('one of the groups may be asked for', both, `--as USER --as-group ${adminGroup}`, web1),
  asked(
    'with one group asked for the others are not sent',
    both,
    `--as USER --as-group ${powerlessGroup}`,
    byApiServer('USER'),
  ),
  asked(
    'a group asked for twice is one group',
    both,
    `--as USER --as-group ${adminGroup} --as-group ${adminGroup}`,
    web1,
  ),
  asked('a foreign group is refused', both, '--as USER --as-group system:masters', noGroup('system:masters')),
  asked(
    'a foreign group beside an allowed one is refused',
    both,
    `--as USER --as-group ${adminGroup} --as-group system:masters`,
    noGroup('system:masters'),
  ),
  asked(
    'a group that is nearly allowed is refused',
    both,
    `--as USER --as-group ${adminGroup}s`,
    noGroup(`${adminGroup}s`),
  ),
  asked('a uid is refused', both, '--as USER --as-uid 1', unsupported('impersonate-uid')),
  sent(
    'an extra is refused',
    both,
    ['Impersonate-Extra-Scopes', 'a'],
    unsupported('impersonate-extra-scopes'),
  ),
  sent(
    'an unknown impersonation header is refused',
    both,
    ['Impersonate-Ev', 'a'],
    unsupported('impersonate-ev'),
  ),
  sent(
    'an impersonation header with an underscore is refused',
    both,
    ['Impersonate_User', 'stranger'],
    unsupported('impersonate_user'),
  ),
  sent(
    'an impersonation header in other letters is one',
    both,
    ['iMpErSoNaTe-UsEr', 'stranger'],
    noUser('stranger'),
  ),
  sent('two users are refused', both, ['Impersonate-User', 'USER', 'Impersonate-User', 'USER'], several),
  sent(
    'an allowed user before another is refused',
    both,
    ['Impersonate-User', 'USER', 'Impersonate-User', 'system:admin'],
    several,
  ),
  sent('an empty user is no user', both, ['Impersonate-User', ''], allowed),
  sent(
    'an empty user beside an allowed group leaves that group',
    both,
    ['Impersonate-User', '', 'Impersonate-Group', powerlessGroup],
    byApiServer('USER'),
  ),
  sent(
    'a group without a user is refused (H-10)',
    both,
    ['Impersonate-Group', adminGroup],
    denial('group header without a user header: name the user too (kubectl --as)'),
  ),
  sent(
    'two groups in one line are no group',
    both,
    ['Impersonate-User', '', 'Impersonate-Group', `${adminGroup},${powerlessGroup}`],
    noGroup(`${adminGroup},${powerlessGroup}`),
  ),
  sent(
    'a header of a front proxy means nothing',
    v8(pods()),
    ['X-Remote-User', 'system:admin', 'X-Remote-Group', 'system:masters'],
    allowed,
  ),
  sent(
    'a bearer token means nothing',
    { version: 'v8', allow: { kubernetes_groups: [powerlessGroup] } },
    ['Authorization', 'Bearer canary'],
    byApiServer('USER'),
  ),
  sent(
    'an impersonation header named in Connection stays ours',
    { version: 'v8', allow: { kubernetes_groups: [powerlessGroup] } },
    ['Connection', 'close, Impersonate-User, Impersonate-Group, Authorization'],
    byApiServer('USER'),
  ),
];
