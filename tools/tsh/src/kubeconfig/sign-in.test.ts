import { describe, expect, test } from 'vitest';
import { checkContextName, contextName, defaultContextName } from './context-name.ts';
import { editKubeconfig } from './edit-text.ts';
import { parseKubeconfigText } from './kubeconfig.ts';
import { entriesOf, marksOf, type OwnContext, selectedMarks } from './own-entries.ts';
import { signInChange } from './sign-in.ts';
import { signOutChange } from './sign-out.ts';

const foreign = `apiVersion: v1
kind: Config
clusters:
- name: home
  cluster: {server: "https://home"}
contexts:
- name: home
  context: {cluster: home, user: me}
current-context: home
users:
- name: me
  user: {token: abc}
`;

const own = (kubeCluster: string, proxy = 'p.test:3080'): OwnContext => ({
  name: `tele-${kubeCluster}`,
  marks: { kubeCluster, teleportCluster: 'tele', profile: proxy },
  caPem: 'CA',
  credential: { program: '/opt/tsh', args: ['kube', 'credentials'], env: { TELEPORT_HOME: '/h' } },
});

function signIn(text: string, contexts: readonly OwnContext[], selected?: string): string {
  return editKubeconfig(text, signInChange(parseKubeconfigText(text), contexts, selected));
}

function signOut(text: string, ...proxies: string[]): string {
  return editKubeconfig(text, signOutChange(parseKubeconfigText(text), new Set(proxies)));
}

describe('the entries of a cluster', () => {
  test('name the proxy, the path of the cluster, and the program that gets the credential', () => {
    const { clusters, users, contexts } = entriesOf(own('dem/o'));
    expect(clusters).toMatchObject({
      cluster: {
        server: 'https://p.test:3080/v1/teleport/dGVsZQ/ZGVtL28',
        'certificate-authority-data': 'Q0E=',
      },
    });
    expect(users).toMatchObject({
      user: {
        exec: {
          apiVersion: 'client.authentication.k8s.io/v1beta1',
          command: '/opt/tsh',
          args: ['kube', 'credentials'],
          env: [{ name: 'TELEPORT_HOME', value: '/h' }],
        },
      },
    });
    expect(contexts).toMatchObject({ context: { cluster: 'tele-dem/o', user: 'tele-dem/o' } });
  });

  test('carry marks by which they are known again', () => {
    expect(marksOf(entriesOf(own('demo')).contexts)).toEqual({
      ...own('demo').marks,
      previousContext: undefined,
    });
    expect(marksOf({ name: 'x', context: { extensions: 'odd' } })).toBeUndefined();
  });
});

describe('signing in', () => {
  test('selects the named context and leaves the rest selected as it was otherwise', () => {
    expect(parseKubeconfigText(signIn(foreign, [own('a'), own('b')])).currentContext).toBe('home');
    expect(selectedMarks(parseKubeconfigText(signIn(foreign, [own('a')], 'tele-a')))).toMatchObject({
      kubeCluster: 'a',
    });
  });

  test('twice changes nothing the second time', () => {
    const once = signIn(foreign, [own('a')], 'tele-a');
    expect(signIn(once, [own('a')], 'tele-a')).toBe(once);
  });

  test('keeps the namespace that a context had, unless another is given', () => {
    const first = signIn(foreign, [{ ...own('a'), namespace: 'dev' }], 'tele-a');
    expect(signIn(first, [own('a')], 'tele-a')).toContain('namespace: dev');
    expect(signIn(first, [{ ...own('a'), namespace: 'prod' }], 'tele-a')).not.toContain('namespace: dev');
  });

  test('does not replace an entry of somebody else', () => {
    expect(() => signIn(foreign, [{ ...own('a'), name: 'home' }], 'home')).toThrow(
      /another entry named "home"/,
    );
    expect(() => signIn(foreign, [{ ...own('a'), name: 'me' }], 'me')).toThrow(/another entry named "me"/);
  });
});

describe('signing out', () => {
  test('leaves the file as it was before, and selects what was selected', () => {
    const two = signIn(signIn(foreign, [own('a')], 'tele-a'), [own('b')], 'tele-b');
    expect(signOut(two, 'p.test:3080')).toBe(foreign);
  });

  test('of one proxy keeps the clusters of another', () => {
    const both = signIn(signIn(foreign, [own('a')], 'tele-a'), [own('b', 'q.test:443')], 'tele-b');
    expect(parseKubeconfigText(signOut(both, 'q.test:443'))).toMatchObject({ currentContext: 'tele-a' });
    expect(parseKubeconfigText(signOut(both, 'p.test:3080'))).toMatchObject({ currentContext: 'tele-b' });
  });

  test('selects nothing when the context from before is gone', () => {
    const text = signIn(foreign, [own('a')], 'tele-a');
    const without = editKubeconfig(text, { remove: { contexts: new Set(['home']) } });
    expect(parseKubeconfigText(signOut(without, 'p.test:3080')).currentContext).toBe('');
  });

  test('keeps a selection that was made since', () => {
    const text = editKubeconfig(signIn(foreign, [own('a')], 'tele-a'), { currentContext: 'home' });
    expect(parseKubeconfigText(signOut(text, 'p.test:3080')).currentContext).toBe('home');
  });
});

describe('a context name', () => {
  test('is made from a template', () => {
    const values = { teleportCluster: 'tele', kubeCluster: 'prod' };
    expect(contextName(defaultContextName, values)).toBe('tele-prod');
    expect(contextName('k8s/{{ .KubeName }}', values)).toBe('k8s/prod');
  });

  test.each([
    ['{{.Nope}}', false, /only/],
    ['{{.KubeName', false, /only/],
    ['', false, /empty/],
    ['fixed', true, /must contain/],
  ])('is refused for the template %j (all: %j)', (template, isForAll, message) => {
    expect(() => checkContextName(template, isForAll)).toThrow(message);
  });
});
