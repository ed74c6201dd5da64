import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTeleportYaml } from '@postern/config';
import { runToolHere, temporaryFolder } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { postern } from '../src/commands/index.ts';

const pin = `sha256:${'ab'.repeat(32)}`;
const forKube = ['configure', '--proxy=p.test:443', '--roles=kube', '--token=abc', `--ca-pin=${pin}`];

const run = (args: readonly string[], cwd = '/') => runToolHere(postern, args, { cwd });

describe('postern configure', () => {
  test('prints a configuration that can be read, with everything off', async () => {
    const config = readTeleportYaml((await run([...forKube, '--node-name=n1', '--data-dir=/d'])).out);
    expect(config).toMatchObject({
      version: 'v3',
      teleport: {
        nodename: 'n1',
        dataDir: '/d',
        join: { method: 'token', tokenName: 'abc' },
        proxyServer: { host: 'p.test', port: 443 },
        caPins: [pin],
      },
      auth: { enabled: false },
      proxy: { enabled: false },
      kubernetes: { enabled: false },
      notices: [],
    });
  });

  test('leaves room for the block that the guide adds', async () => {
    const block = 'kubernetes_service:\n  enabled: "yes"\n  resources:\n  - labels:\n      "*": "*"\n';
    const config = readTeleportYaml((await run(forKube)).out + block);
    expect(config.kubernetes).toMatchObject({ enabled: true, resources: [{ labels: { '*': ['*'] } }] });
  });

  test('offers the same block as a comment', async () => {
    const { out } = await run([...forKube, '--roles=kube,discovery']);
    const uncommented = out.replaceAll(/^# ?(?=(?:kubernetes|discovery)_service| {2})/gm, '');
    expect(readTeleportYaml(uncommented)).toMatchObject({
      kubernetes: { enabled: true },
      discovery: { enabled: true },
    });
  });

  test.each(['token', 'iam', 'ec2', 'kubernetes'])('joins by %s', async (method) => {
    const args = [
      'configure',
      '--proxy=p.test:443',
      '--roles=kube',
      '--token=kube-iam-token',
      `--ca-pin=${pin}`,
    ];
    const config = readTeleportYaml((await run([...args, `--join-method=${method}`])).out);
    expect(config.teleport.join).toEqual({ method, tokenName: 'kube-iam-token' });
  });

  test('of a join method that there is none of says which there are', async () => {
    const { code, err } = await run([...forKube, '--join-method=iamm']);
    expect([code, err]).toEqual([2, expect.stringContaining('known: token, iam, ec2, kubernetes')]);
  });

  test.each([
    ['node', ['ssh_service']],
    ['app', ['app_service']],
    ['db', ['db_service']],
    ['node,app,db', ['ssh_service', 'app_service', 'db_service']],
    ['kube', []],
    ['discovery,kube', []],
  ])('turns on for %s what needs no more said', async (roles, on) => {
    const config = readTeleportYaml((await run([...forKube.slice(0, 2), `--roles=${roles}`])).out);
    expect(config.unserved.map(({ section }) => section)).toEqual(on);
    expect(config).toMatchObject({ auth: { enabled: false }, proxy: { enabled: false }, notices: [] });
  });

  test('writes a private file, says how to start, and never overwrites', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'teleport.yaml');
    expect((await run([...forKube, '-o', 'teleport.yaml'], folder)).out).toBe(
      `The configuration was written to teleport.yaml. Edit it, then start with:\n\npostern start --config=teleport.yaml\n`,
    );
    const before = readFileSync(path, 'utf8');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await run([...forKube, '-o', `file://${path}`], folder)).toEqual({
      code: 6,
      out: '',
      err: `ERROR: ${path} exists already and is not overwritten: remove it, or choose another file with -o\n`,
    });
    expect(readFileSync(path, 'utf8')).toBe(before);
  });

  test('checks a file', async () => {
    const path = join(temporaryFolder(), 'x.yaml');
    writeFileSync(path, (await run(forKube)).out);
    expect(await run(['configure', '--test', path])).toEqual({
      code: 0,
      out: `${path} is a valid configuration\n`,
      err: '',
    });
    writeFileSync(path, 'version: v3\nnope: 1\n');
    expect(await run(['configure', '--test', path])).toMatchObject({ code: 2, out: '' });
  });

  test.each([
    [['configure', '--test=x', '--output=y'], 'ERROR: only --output or --test can be set, not both\n'],
    [
      ['configure', '--roles=frob'],
      'ERROR: unknown role "frob"; known: kube, discovery, node, app, db, auth, proxy\n',
    ],
    [['configure', '--version=v1'], 'ERROR: configuration version "v1" cannot be written; only v3 can\n'],
  ])('%j is refused', async (args, err) => {
    expect(await run(args)).toEqual({ code: 2, out: '', err });
  });

  test('quotes what it is given', async () => {
    const token = 'a: "b" #c\\';
    const { out } = await run(['configure', '--roles=kube', '--token', token, '--proxy=p.test']);
    expect(readTeleportYaml(out).teleport.join?.tokenName).toBe(token);
  });
});

describe('postern install systemd', () => {
  test('makes a unit that starts this program', async () => {
    const folder = temporaryFolder();
    await run(['install', 'systemd', '-o', 'unit'], folder);
    const unit = readFileSync(join(folder, 'unit'), 'utf8');
    expect(unit).toContain(
      'ExecStart=/opt/postern/bin/postern start --config=/etc/teleport.yaml --pid-file=/run/teleport.pid\n',
    );
    expect(unit).toContain('EnvironmentFile=-/etc/default/teleport\n');
    expect(unit).toContain('LimitNOFILE=524288\n');
    expect(statSync(join(folder, 'unit')).mode & 0o777).toBe(0o644);
  });

  test('takes other places', async () => {
    const { out } = await run([
      'install',
      'systemd',
      '--env-file=/e',
      '--pid-file=/p',
      '--fd-limit=10',
      '--teleport-path=/t',
    ]);
    expect(out).toContain(
      'EnvironmentFile=-/e\nExecStart=/t start --config=/etc/teleport.yaml --pid-file=/p\nPIDFile=/p\nLimitNOFILE=10\n',
    );
  });
});

describe('postern start', () => {
  test('refuses a configuration that enables nothing', async () => {
    const path = join(temporaryFolder(), 'x.yaml');
    writeFileSync(path, (await run(forKube)).out);
    const { code, err } = await run(['start', '-c', path]);
    expect([code, err]).toEqual([7, expect.stringContaining('add a kubernetes_service') as string]);
  });
});
