import { failure, isPlainObject } from '@postern/core';
import type { ApiServer } from './api-server.ts';
import { ApiServerUnreachable, ask, objectOf, type ProbeAnswer } from './probe.ts';

/** Which value of which Secret. */
export interface SecretPlace {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  /** Of the Secret, where it has to be made. */
  readonly annotations: Readonly<Record<string, string>>;
  /** Who writes, for `metadata.managedFields`. */
  readonly manager: string;
}

/** A value of a Secret that somebody else has written since it was read. */
export const SecretChanged = failure(
  'conflict',
  'kube.secret_changed',
  (name: string, key: string) =>
    `${key} of Secret ${name} was written by somebody else: two processes must not share an identity; give each its own TELEPORT_REPLICA_NAME`,
);

/** The service account may not do with its Secret what it must. */
export const SecretForbidden = failure(
  'permission_denied',
  'kube.secret_forbidden',
  (what: string, name: string) =>
    `the service account may not ${what} Secret ${name}: its Role must allow get, create and patch of secrets`,
);

/** A text in a Secret. */
export interface SecretText {
  readonly place: string;
  /** Undefined where the Secret or the key is not there. */
  read(): Promise<string | undefined>;
  /** Fails as SecretChanged rather than replace what somebody else wrote. */
  write(text: string): Promise<void>;
}

interface Seen {
  /** Absent where there is no Secret. */
  readonly resourceVersion: string | undefined;
  readonly value: string | undefined;
}

const maxTries = 5;

/**
 * One value of a Secret, replaced under the condition that the Secret is as it was read (`metadata.resourceVersion`). Other
 * values of the same Secret may change in between: then it is read and tried again.
 */
export function secretText(server: ApiServer, place: SecretPlace): SecretText {
  const { namespace, name, key } = place;
  let seen: Seen | undefined;
  // Writes whose answers were lost may have come about.
  const attempted = new Set<string | undefined>();
  const read = async () => (seen = await readSecret(server, place));
  const readOwn = async () => {
    const before = seen;
    const { value } = await read();
    const isFree = before === undefined || value === undefined;
    const isOwn = isFree || value === before.value || attempted.has(value);
    if (!isOwn) throw SecretChanged(name, key);
  };
  return {
    place: `Secret ${namespace}/${name}, key ${key}`,
    read: async () => (await read()).value,
    write: async (text) => {
      for (let tries = 0; tries < maxTries; tries += 1) {
        if (!seen) await readOwn();
        attempted.add(text);
        const written = await writeSecret(server, place, { text, over: seen!.resourceVersion });
        if (written !== undefined) {
          seen = { resourceVersion: written, value: text };
          attempted.clear();
          return;
        }
        await readOwn();
        if (seen!.value === text) return;
      }
      throw SecretChanged(name, key);
    },
  };
}

async function readSecret(server: ApiServer, place: SecretPlace): Promise<Seen> {
  const answer = await ask(server, { path: pathOf(place) });
  if (answer.status === 404) return { resourceVersion: undefined, value: undefined };
  refuse(answer, 'get', place);
  const { metadata, data } = objectOf(answer) as { metadata?: { resourceVersion?: string }; data?: unknown };
  const encoded = isPlainObject(data) ? data[place.key] : undefined;
  const value = typeof encoded === 'string' ? Buffer.from(encoded, 'base64').toString('utf8') : '';
  return { resourceVersion: metadata?.resourceVersion, value: value === '' ? undefined : value };
}

interface Write {
  readonly text: string;
  readonly over: string | undefined;
}

/** The version that was written; undefined where the Secret is not as it was. */
async function writeSecret(
  server: ApiServer,
  place: SecretPlace,
  { text, over }: Write,
): Promise<string | undefined> {
  const query = `?fieldManager=${encodeURIComponent(place.manager)}`;
  const data = { [place.key]: Buffer.from(text).toString('base64') };
  const { name, annotations } = place;
  const made = { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name, annotations }, data };
  const answer = await ask(
    server,
    over === undefined
      ? { path: `${listPathOf(place)}${query}`, body: JSON.stringify(made) }
      : {
          path: `${pathOf(place)}${query}`,
          method: 'PATCH',
          contentType: 'application/merge-patch+json',
          body: JSON.stringify({ metadata: { resourceVersion: over }, data }),
        },
  );
  if (answer.status === 409 || answer.status === 404) return undefined;
  refuse(answer, over === undefined ? 'create' : 'patch', place);
  return (objectOf(answer) as { metadata?: { resourceVersion?: string } }).metadata?.resourceVersion;
}

function refuse({ status }: ProbeAnswer, verb: string, { name }: SecretPlace): void {
  if (status === 401 || status === 403) throw SecretForbidden(verb, name);
  if (status >= 300) throw ApiServerUnreachable(`${verb} of Secret ${name} was answered with ${status}`);
}

function listPathOf({ namespace }: SecretPlace): string {
  return `/api/v1/namespaces/${encodeURIComponent(namespace)}/secrets`;
}

function pathOf(place: SecretPlace): string {
  return `${listPathOf(place)}/${encodeURIComponent(place.name)}`;
}
