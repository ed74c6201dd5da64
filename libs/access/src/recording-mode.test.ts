import type { RecordingMode } from '@postern/contracts';
import { describe, expect, test } from 'vitest';
import { decideKubeAccess } from './decide-access.ts';
import { access, role, rule } from './testing.ts';

const exec = 'create pods/exec dev/web-1';

/** A role that allows everything, or nothing, and says how sessions are recorded. */
function saying(name: string, mode: RecordingMode | undefined, allows = true) {
  const allow = {
    kubernetes_labels: { '*': '*' },
    kubernetes_groups: ['viewers'],
    kubernetes_resources: [rule()],
  };
  return role(name, 'v8', {
    allow: allows ? allow : {},
    ...(mode ? { options: { record_session: { default: mode } } } : {}),
  });
}

function modeOf(roles: readonly ReturnType<typeof saying>[], request = exec): RecordingMode | undefined {
  const decision = decideKubeAccess(access(roles, request));
  return decision.allowed ? decision.recording : undefined;
}

describe('how a session is recorded', () => {
  test.each<[string, readonly ReturnType<typeof saying>[], RecordingMode]>([
    ['a role says nothing', [saying('a', undefined)], 'strict'],
    ['a role says off', [saying('a', 'off')], 'off'],
    ['a role says best_effort', [saying('a', 'best_effort')], 'best_effort'],
    ['of two roles one is stricter', [saying('a', 'off'), saying('b', 'best_effort')], 'best_effort'],
    ['of two roles one says nothing', [saying('a', 'off'), saying('b', undefined)], 'strict'],
    ['a role that allows nothing is stricter', [saying('a', 'off'), saying('b', 'strict', false)], 'strict'],
    ['a role that allows nothing says nothing', [saying('a', 'off'), saying('b', undefined, false)], 'off'],
    ['a role that allows nothing is laxer', [saying('a', 'strict'), saying('b', 'off', false)], 'strict'],
  ])('where %s', (...[, roles, expected]) => {
    expect(modeOf(roles)).toBe(expected);
    expect(modeOf(roles.toReversed())).toBe(expected);
  });

  test.each([
    ['get pods/exec dev/web-1', 'strict'],
    ['create pods/attach dev/web-1', 'strict'],
    ['get pods/attach dev/web-1', 'strict'],
    ['create nodes/proxy n1', 'strict'],
    ['create pods/portforward dev/web-1', undefined],
    ['get pods/log dev/web-1', undefined],
    ['get pods dev/web-1', undefined],
    ['list pods dev/', undefined],
  ])('is said of %s: %s (W-01)', (request, expected) => {
    expect(modeOf([saying('a', undefined)], request)).toBe(expected);
  });
});
