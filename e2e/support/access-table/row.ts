import type { Finished } from '@postern/testkit';
import type { RawAnswer, RawRequest } from '../signed-in-user.ts';

/** A role as a row writes it: what matters to the row, the rest is filled in by `documentOf`. */
export interface RoleParts {
  /** Absent: the document says no version. */
  readonly version?: string | undefined;
  readonly allow?: Readonly<Record<string, unknown>>;
  readonly deny?: Readonly<Record<string, unknown>>;
}

/** What a row expects of kubectl. */
export interface Expected {
  /** Sorted lines of the output, exactly; absent: any. */
  readonly lines?: readonly string[];
  readonly stdout?: RegExp;
  /** A line that the refusal has; `USER` stands for the user's name. */
  readonly refused?: string;
}

/** One case: who has these roles, asks this, and gets that. */
export interface Row {
  /** A sentence. */
  readonly what: string;
  readonly roles: readonly RoleParts[];
  readonly traits?: Readonly<Record<string, readonly string[]>>;
  readonly cluster?: string;
  readonly ask: string | RawRequest;
  readonly input?: string;
  readonly expected: Expected;
}

/** The group that may do everything in the target, so that nobody but Postern decides. */
export const adminGroup = 'lab-admins';

/** A group that may do nothing in the target. */
export const powerlessGroup = 'lab-nobodies';

/** A role of version v8 for every cluster, restricted to these rules. */
export function v8(...rules: readonly Readonly<Record<string, unknown>>[]): RoleParts {
  return { version: 'v8', allow: { kubernetes_resources: rules } };
}

/** A role of another version for every cluster. */
export function version(name: string, ...rules: readonly Readonly<Record<string, unknown>>[]): RoleParts {
  return { version: name, allow: rules.length > 0 ? { kubernetes_resources: rules } : {} };
}

/** A rule of version v8 for pods in dev, where it does not say otherwise. */
export function pods(part: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return { kind: 'pods', api_group: '', namespace: 'dev', name: '*', verbs: ['*'], ...part };
}

/** A rule of version v8 for everything, where it does not say otherwise. */
export function any(part: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return { kind: '*', api_group: '*', namespace: '*', name: '*', verbs: ['*'], ...part };
}

/** A rule of version v7, where it does not say otherwise for pods in dev. */
export function v7Rule(part: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return { kind: 'pod', namespace: 'dev', name: '*', verbs: ['*'], ...part };
}

/** A rule up to version v6. */
export function podRule(namespace: string, name = '*'): Readonly<Record<string, unknown>> {
  return { kind: 'pod', namespace, name };
}

/** A request by hand. `kubectl get --raw` would lose the part of the server's address that names the cluster. */
export function raw(path: string, method = 'GET'): RawRequest {
  return { method, path, headers: [] };
}

/** The command succeeds. */
export const allowed: Expected = {};

/** The command succeeds and prints these lines, in any order, and nothing else. */
export function shows(...lines: readonly string[]): Expected {
  return { lines: lines.toSorted() };
}

/** The command fails, and this is the first line of why. */
export function refused(line: string): Expected {
  return { refused: line };
}

/** The line of a refusal about a resource: `pods "web-1"`, `get`, `pods`, in dev. */
export function cannot(
  verb: string,
  resource: string,
  object: { name?: string; group?: string; namespace?: string } = {},
): Expected {
  const { name = '', group = '', namespace } = object;
  const [plain] = resource.split('/');
  const what = `${plain}${group && `.${group}`}${name && ` "${name}"`}`;
  const where = namespace === undefined ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  return refused(
    `${what} is forbidden: User "USER" cannot ${verb} resource "${resource}" in API group "${group}" ${where}`,
  );
}

/** What there is to compare with an expectation, of kubectl or of a request by hand. */
export interface Outcome {
  readonly isAllowed: boolean;
  readonly lines: readonly string[];
  readonly stdout: string;
  /** The reason as it was shown, line by line. */
  readonly reasons: readonly string[];
}

/** The outcome of kubectl. The server's own part of its message comes after its class and, for files, the file. */
export function outcomeOf({ code, stdout, stderr }: Finished): Outcome {
  const reasons = stderr
    .split('\n')
    .map((line) =>
      line.replace(/^(?:Error from server|error)(?: \(\w+\))?: (?:error when \w+ "[^"]*": )?/, ''),
    );
  return { isAllowed: code === 0, stdout, lines: stdout.split('\n').filter(Boolean).toSorted(), reasons };
}

/** The outcome of a request by hand. */
export function outcomeOfRaw({ status, body }: RawAnswer): Outcome {
  const isAllowed = status < 400;
  const message = isAllowed ? '' : (JSON.parse(body) as { message: string }).message;
  return { isAllowed, stdout: body, lines: [], reasons: message.split('\n') };
}
