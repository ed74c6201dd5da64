import { describe, expect, test } from 'vitest';
import { type ClusterReport, visibleLabels } from './visible-labels.ts';

const dynamic = (labels: Record<string, string>): ClusterReport => ({ origin: 'dynamic', labels });
const own = (labels: Record<string, string>): ClusterReport => ({ origin: 'config-file', labels });

describe('the labels of a registered cluster', () => {
  const registered = { env: 'prod', 'teleport.dev/origin': 'dynamic' };

  test.each([
    ['are its resource’s where nobody serves it', [], registered],
    ['cannot be replaced by an agent', [dynamic({ env: 'dev' })], registered],
    ['are added to by its agents', [dynamic({ zone: 'a' })], { ...registered, zone: 'a' }],
    [
      'are added to where agents agree',
      [dynamic({ zone: 'a', team: 'x' }), dynamic({ zone: 'b', team: 'x' })],
      { ...registered, team: 'x' },
    ],
    ['take no reserved label', [dynamic({ 'teleport.dev/x': '1', 'teleport.internal/y': '2' })], registered],
    ['take nothing from a cluster of an agent’s own', [own({ zone: 'a' })], registered],
    [
      'are not disputed by a cluster of an agent’s own',
      [own({ zone: 'evil' }), dynamic({ zone: 'a' })],
      { ...registered, zone: 'a' },
    ],
  ])('%s', (_, reports, labels) => {
    expect(visibleLabels(registered, reports)).toEqual(labels);
  });
});

describe('the labels of a cluster that is not registered', () => {
  test.each([
    ['are none where nobody serves it', [], undefined],
    ['are none where an agent claims that it is registered', [dynamic({ env: 'dev' })], undefined],
    [
      'are those of its agent, and its origin',
      [own({ env: 'lab', 'teleport.dev/origin': 'dynamic' })],
      { env: 'lab', 'teleport.dev/origin': 'config-file' },
    ],
    [
      'are those on which its agents agree',
      [own({ env: 'lab', a: '1' }), own({ env: 'prod', a: '1' })],
      { a: '1', 'teleport.dev/origin': 'config-file' },
    ],
    [
      'are not disputed by an agent that claims that it is registered',
      [own({ env: 'lab' }), dynamic({})],
      { env: 'lab', 'teleport.dev/origin': 'config-file' },
    ],
  ])('%s', (_, reports, labels) => {
    expect(visibleLabels(undefined, reports)).toEqual(labels);
  });
});
