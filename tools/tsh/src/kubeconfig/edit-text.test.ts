import { describe, expect, test } from 'vitest';
import { editKubeconfig } from './edit-text.ts';
import type { Entry } from './kubeconfig.ts';

const cluster = (name: string): Entry => ({ cluster: { server: `https://${name}` }, name });
const user = (name: string): Entry => ({ name, user: { token: 't' } });
const context = (name: string): Entry => ({ context: { cluster: name, user: name }, name });
const put = (...names: string[]) => ({
  clusters: names.map(cluster),
  users: names.map(user),
  contexts: names.map(context),
});
const all = (...names: string[]) => {
  const set = new Set(names);
  return { clusters: set, users: set, contexts: set };
};

/** Written by hand: comments, quotes of both kinds, odd indentation, flow entries, an anchor. */
const handmade = `# my clusters
apiVersion: v1
kind: Config
preferences: {}   # nothing
clusters: # the list
    - cluster:
        server: "https://a"   # with a comment
        certificate-authority-data: LS0tLS1CRUdJTi
      name: 'a'

    # about b
    - {name: b, cluster: {server: "https://b", insecure-skip-tls-verify: true}}
contexts:
- name: a
  context: &ctx
    cluster: a
    user: a
- name: b
  context: *ctx
current-context: "a" # selected
users:
- name: a
  user:
    token: |-
      one
      two
# the end
`;

const json = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [cluster('a'), cluster('b')],
  users: [],
  contexts: null,
  'current-context': 'a',
});

/** The file as it is, in each of the ways people and programs write it. */
const layouts: readonly (readonly [string, string])[] = [
  ['is written by hand', handmade],
  [
    'has Windows line ends',
    handmade.replaceAll('\n', '\r\n').replace(/\|-\r\n {6}one\r\n {6}two/, '"one two"'),
  ],
  ['has no last line feed', handmade.trimEnd().replace(/\n# the end$/, '')],
  ['starts with a document mark', `---\n${handmade}`],
  ['is JSON', json],
  ['is indented JSON', JSON.stringify(JSON.parse(json), undefined, 2)],
  [
    'has empty lists',
    'apiVersion: v1\nclusters: [] # none\ncontexts: []\ncurrent-context: ""\nkind: Config\nusers: []\n',
  ],
  ['has empty keys', 'apiVersion: v1\nclusters:\ncontexts: null\ncurrent-context:\nusers: ~\n'],
  ['lacks the lists', 'apiVersion: v1\nkind: Config\n'],
  ['is an empty JSON object', '{}'],
  ['is a comment', '# nothing yet'],
  [
    'is what kubectl leaves',
    'apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: ""\nkind: Config\npreferences: {}\nusers: null\n',
  ],
];

describe('a kubeconfig that', () => {
  test.each(layouts)('%s takes entries and gives them back', (_, text) => {
    const added = editKubeconfig(text, { put: put('x', 'y'), currentContext: 'x' });
    const again = editKubeconfig(added, { put: put('x', 'y'), currentContext: 'x' });
    const removed = editKubeconfig(added, { remove: all('x', 'y'), currentContext: 'a' });
    expect(again).toBe(added);
    expect(added).toContain('https://y');
    expect(removed).not.toMatch(/https:\/\/[xy]/);
  });
});

describe('foreign bytes', () => {
  test('stay as they are when entries are added', () => {
    const added = editKubeconfig(handmade, { put: put('x'), currentContext: 'a' });
    const lines = new Set(added.split('\n'));
    expect(handmade.split('\n').filter((line) => !lines.has(line))).toEqual([]);
    expect(added).toContain('    - cluster:\n        server: https://x\n      name: x\ncontexts:');
  });

  test('are all there is after entries came and went', () => {
    const added = editKubeconfig(handmade, { put: put('x', 'y'), currentContext: 'x' });
    expect(editKubeconfig(added, { remove: all('x', 'y'), currentContext: 'a' })).toBe(
      handmade.replace('"a" # sel', 'a # sel'),
    );
  });

  test('around an entry in the middle stay when it is replaced', () => {
    const text = editKubeconfig(handmade, { put: { clusters: [cluster('x'), cluster('z')] } });
    const changed = editKubeconfig(text, {
      put: { clusters: [{ name: 'x', cluster: { server: 'https://new' } }] },
    });
    expect(changed).toBe(
      text.replace(
        '- cluster:\n        server: https://x\n      name: x',
        '- name: x\n      cluster:\n        server: https://new',
      ),
    );
  });

  test('of a list that is null make way for lines', () => {
    expect(editKubeconfig('clusters: null\nusers:\n', { put: put('x') })).toMatch(/^clusters:\n- cluster:\n/);
  });

  test('of empty lists come back, comments included', () => {
    const text = 'clusters: [] # none\ncontexts: []\nusers: []\n';
    expect(editKubeconfig(editKubeconfig(text, { put: put('x') }), { remove: all('x') })).toBe(text);
  });
});

describe('a name from elsewhere', () => {
  test.each([
    'a: b',
    '- x',
    "it's",
    '"quoted"',
    '{{x}}',
    '#no',
    'yes',
    '0x10',
    'ünïcode',
    'a\\nb',
    '&anchor',
    '*alias',
    ' ',
  ])('%j stays a name', (name) => {
    const added = editKubeconfig(handmade, { put: put(name), currentContext: name });
    expect(editKubeconfig(added, { remove: all(name), currentContext: 'a' })).toBe(
      handmade.replace('"a" # sel', 'a # sel'),
    );
  });
});

describe('a text that is no kubeconfig', () => {
  test.each([
    ['a list', '- a\n'],
    ['a word', 'hello\n'],
    ['broken YAML', 'clusters: [\n'],
    ['two documents', 'kind: Config\n---\nkind: Config\n'],
    ['a key twice', 'clusters: []\nclusters: []\n'],
    ['a list that is none', 'clusters: {a: 1}\n'],
    ['an entry without a name', 'clusters: [{cluster: {}}]\n'],
  ])('because it is %s is refused', (_, text) => {
    expect(() => editKubeconfig(text, { put: put('x') })).toThrow(/not a kubeconfig/);
  });
});
