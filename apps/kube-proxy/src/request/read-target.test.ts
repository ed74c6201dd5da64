import { expect, test } from 'vitest';
import { readTarget } from './read-target.ts';

const base = `/v1/teleport/${Buffer.from('root').toString('base64url')}/${Buffer.from('c1').toString('base64url')}`;

test('a target is read once for each method', () => {
  const get = readTarget('GET', `${base}/api/v1/pods`);
  expect(get).toMatchObject({ teleportCluster: 'root', kubeCluster: 'c1' });
  expect(get.info).toMatchObject({ method: 'GET', verb: 'list', resource: 'pods' });
  expect(readTarget('GET', `${base}/api/v1/pods`)).toBe(get);
  expect(readTarget('POST', `${base}/api/v1/pods`).info).toMatchObject({ method: 'POST', verb: 'create' });
  expect(readTarget('GET', `${base}/api/v1/pods?watch=1`).info.verb).toBe('watch');
});

test('what is refused is refused again', () => {
  for (const _ of [1, 2]) {
    expect(() => readTarget('GET', `${base}/api/v1/../v1`)).toThrow('invalid_path');
    expect(() => readTarget('BREW', `${base}/api/v1/pods`).info).toThrow('"BREW" is not allowed');
  }
});

test('thousands of targets are not mixed up, nor is a long one kept', () => {
  for (let round = 0; round < 2; round += 1)
    for (let count = 0; count < 3000; count += 1)
      expect(readTarget('GET', `${base}/api/v1/nodes/n${count}`).info.name).toBe(`n${count}`);
  const long = `${base}/api/v1/nodes/${'n'.repeat(600)}`;
  expect(readTarget('GET', long)).not.toBe(readTarget('GET', long));
});
