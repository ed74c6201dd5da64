import type { ResourceDocument } from '@postern/client';
import { sha256Hex } from '@postern/core';
import { until } from '@postern/testkit';
import { signIn, type SignedInUser, type SignIn } from '../signed-in-user.ts';
import { adminGroup, type RoleParts, type Row } from './row.ts';

/** Who a row is about: rows with the same roles and traits share a person. */
export type Holder = Pick<Row, 'roles' | 'traits'>;

/** One person for each set of roles. */
export interface People {
  of(holder: Holder): SignedInUser;
  roleNames(holder: Holder): readonly string[];
}

/** Makes users with roles of their own, and signs them in once the edge knows them. */
export async function signInPeople(options: SignIn, holders: readonly Holder[]): Promise<People> {
  const byName = new Map(holders.map((holder) => [nameOf(holder), holder]));
  const create = (document: ResourceDocument) => options.api.resources.create(document);
  const entries = [...byName];
  await Promise.all(
    entries.flatMap(([name, { roles }]) =>
      roles.map((parts, at) => create(roleDocument(`${name}-${at}`, parts))),
    ),
  );
  await Promise.all(entries.map(([name, holder]) => create(userDocument(name, holder))));
  const people = new Map<string, SignedInUser>();
  for (const name of byName.keys()) {
    people.set(name, await until(`${name} can sign in`, () => signIn(options, name)));
  }
  await knownToEdge(options);
  return {
    of: (holder) => people.get(nameOf(holder))!,
    roleNames: (holder) => holder.roles.map((_, at) => `${nameOf(holder)}-${at}`),
  };
}

/** Users reach the edge in the order they were made, so that the last one stands for all. */
async function knownToEdge(options: SignIn): Promise<void> {
  const { resources } = options.api;
  const holder: Holder = { roles: [{ version: 'v8', allow: {} }] };
  await resources.create(roleDocument('the-last-0', holder.roles[0]!));
  await resources.create(userDocument('the-last', holder));
  const last = await until('the last user can sign in', () => signIn(options, 'the-last'));
  for (const cluster of options.clusters) {
    await until(`the last user reaches ${cluster}`, async () => {
      const { status, body } = await last.send(cluster, {
        method: 'GET',
        path: '/api/v1/namespaces/dev',
        headers: [],
      });
      if (status !== 200) throw new Error(`${status} ${body}`);
      return true;
    });
  }
}

function nameOf({ roles, traits = {} }: Holder): string {
  return `u-${sha256Hex(JSON.stringify([roles, traits])).slice(0, 12)}`;
}

function roleDocument(name: string, { version, allow, deny = {} }: RoleParts): ResourceDocument {
  const filled = allow && { kubernetes_labels: { '*': '*' }, kubernetes_groups: [adminGroup], ...allow };
  const document = { kind: 'role', version, metadata: { name }, spec: { allow: filled ?? {}, deny } };
  // One row is about a document that says no version; undefined is not sent.
  return document as ResourceDocument;
}

function userDocument(name: string, { roles, traits = {} }: Holder): ResourceDocument {
  const spec = { roles: roles.map((_, at) => `${name}-${at}`), traits };
  return { kind: 'user', version: 'v2', metadata: { name }, spec };
}
