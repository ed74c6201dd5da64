import type { RecordingMode } from '@postern/contracts';
import type { CompiledRole } from './compile-role.ts';
import type { KubeAttributes } from './types.ts';

const strictness: readonly RecordingMode[] = ['off', 'best_effort', 'strict'];

/** Whether a request opens a session in a container, or may: a kubelet behind a node's proxy runs commands too. */
export function opensSession({ resource, subresource }: KubeAttributes): boolean {
  if (subresource === 'exec' || subresource === 'attach') return true;
  return resource === 'nodes' && subresource === 'proxy';
}

/**
 * How a session is recorded: the strictest that any role of the user says, whether that role allows the session or not. One
 * that allows it and says nothing means `strict`, so that nobody goes unrecorded because an option was forgotten.
 */
export function recordingMode(
  roles: readonly CompiledRole[],
  allowing: readonly CompiledRole[],
): RecordingMode {
  const said = roles.flatMap(({ recording }) => recording ?? []);
  const meant = allowing.map(({ recording }) => recording ?? 'strict');
  return [...said, ...meant].reduce(
    (strictest, mode) => (strictness.indexOf(mode) > strictness.indexOf(strictest) ? mode : strictest),
    'off',
  );
}
