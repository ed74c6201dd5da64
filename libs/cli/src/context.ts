import {
  type Api,
  type Environment,
  type LocatedIdentity,
  locateIdentity,
  openApi,
  type OpenIdentity,
  openIdentity,
} from '@postern/client';
import type { Clock } from '@postern/core';
import type { Terminal } from './terminal.ts';

/** Flags that every command of a tool takes. */
export interface GlobalFlags {
  readonly identity?: string | undefined;
  readonly proxy?: string | undefined;
  readonly insecure: boolean;
  readonly debug: boolean;
}

/** What the outside of a command is made of. */
export interface Surroundings {
  readonly terminal: Terminal;
  readonly env: Environment;
  readonly cwd: string;
  readonly clock: Clock;
  /** Absolute path of the program as people call it, for files that call it again. */
  readonly program: string;
  /** From the first call on a request to stop aborts this signal, instead of ending the process. */
  stopSignal(): AbortSignal;
}

/** Everything a command runs with. */
export interface CliContext extends Surroundings, AsyncDisposable {
  readonly global: GlobalFlags;
  /** Where the identity lies that would be used. */
  locate(): LocatedIdentity;
  /** The identity, read. */
  identity(): Promise<OpenIdentity>;
  /** The control plane, called as the identity. */
  api(): Promise<Api>;
}

/** A context. The identity is looked for when it is first needed, and the API is opened once. */
export function openContext(surroundings: Surroundings, global: GlobalFlags): CliContext {
  let identity: Promise<OpenIdentity> | undefined;
  let api: Promise<Api> | undefined;
  const locate = () => locateIdentity({ ...global, env: surroundings.env, cwd: surroundings.cwd });
  const open = () => (identity ??= openIdentity(locate(), surroundings.clock));
  return {
    ...surroundings,
    global,
    locate,
    identity: open,
    api: () => (api ??= open().then((opened) => connect(opened, global, surroundings.terminal))),
    [Symbol.asyncDispose]: async () => {
      const opened = await api?.catch(() => undefined);
      await opened?.[Symbol.asyncDispose]();
    },
  };
}

function connect(identity: OpenIdentity, global: GlobalFlags, terminal: Terminal): Api {
  if (global.insecure) {
    terminal.note(
      `WARNING: --insecure: the certificate of ${identity.proxy} is NOT checked. Anyone between here and there can read and change everything.`,
    );
  }
  const { proxy, caPem, key, certificate } = identity;
  return openApi({ proxy, caPem, identity: { key, certificate }, insecure: global.insecure });
}
