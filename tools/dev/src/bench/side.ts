import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { locateIdentity, openIdentity } from '@postern/client';
import { systemClock } from '@postern/core';
import type { SeparateStack } from '@postern/testkit';

/** Files of a client: its certificate, its key, and what the server's certificate must chain to. */
export interface ClientFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** An address under load, and the processes that serve it. */
export interface Side extends ClientFiles {
  readonly origin: string;
  /** Before each path. */
  readonly prefix: string;
  readonly servername: string;
  readonly pids: readonly number[];
}

/** The name of a cluster in a path of the edge. */
export function prefixOf(cluster: string): string {
  const encode = (text: string) => Buffer.from(text).toString('base64url');
  return `/v1/teleport/${encode('postern')}/${encode(cluster)}`;
}

/** Writes the identity of the admin as files. */
export async function adminFiles(stack: SeparateStack, folder: string): Promise<ClientFiles> {
  return filesOf(stack, { folder, name: 'admin', identity: undefined });
}

/** Has an identity signed for a user and writes it as files. */
export async function userFiles(stack: SeparateStack, folder: string, name: string): Promise<ClientFiles> {
  const identity = join(folder, `${name}.identity`);
  await stack.admin.must('tctl', ['auth', 'sign', `--user=${name}`, '--format=file', `--out=${identity}`]);
  return filesOf(stack, { folder, name, identity });
}

interface Whose {
  readonly folder: string;
  readonly name: string;
  readonly identity: string | undefined;
}

async function filesOf(stack: SeparateStack, { folder, name, identity }: Whose): Promise<ClientFiles> {
  const choice = { identity, proxy: stack.proxyAddrs[0], env: stack.admin.env, cwd: folder };
  const { certificate, key, caPem } = await openIdentity(locateIdentity(choice), systemClock);
  const write = (ending: string, content: string): string => {
    const file = join(folder, `${name}.${ending}`);
    writeFileSync(file, content, { mode: 0o600 });
    return file;
  };
  return { certFile: write('crt', certificate), keyFile: write('key', key), caFile: write('ca', caPem) };
}
