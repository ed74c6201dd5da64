import { isAbsolute, join } from 'node:path';
import { parseArgs } from 'node:util';

/** What `npm start -- …` was asked for. */
export interface StartOptions {
  readonly demo: boolean;
  /** A kubeconfig whose contexts are registered instead of a demo cluster. */
  readonly kubeconfig: string | undefined;
  readonly dataDir: string;
  readonly publicAddr: string;
  readonly help: boolean;
}

/** Printed by `npm start -- --help`. */
export const startHelp = `Starts the whole system on this machine, in the foreground, until Ctrl-C.

npm start -- [options]

  --no-demo                 do not start a demo cluster
  --kubeconfig FILE         register the contexts of FILE instead of a demo cluster
  --data-dir DIR            where everything is kept (default .postern)
  --public-addr HOST:PORT   address of the edge (default 127.0.0.1:3080)
  --help                    this text

POSTERN_PG_URL and POSTERN_NATS_URL replace the embedded Postgres and NATS.
`;

/** Reads the command line; paths are relative to the caller's folder. */
export function readOptions(args: readonly string[], callerFolder: string): StartOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      demo: { type: 'boolean', default: true },
      kubeconfig: { type: 'string' },
      'data-dir': { type: 'string', default: '.postern' },
      'public-addr': { type: 'string', default: '127.0.0.1:3080' },
      help: { type: 'boolean', default: false },
    },
    allowNegative: true,
    strict: true,
  });
  const absolute = (path: string) => (isAbsolute(path) ? path : join(callerFolder, path));
  if (!/^.+:\d{1,5}$/.test(values['public-addr']))
    throw new Error(`--public-addr must be HOST:PORT, got ${values['public-addr']}`);
  return {
    demo: values.demo && values.kubeconfig === undefined,
    kubeconfig: values.kubeconfig === undefined ? undefined : absolute(values.kubeconfig),
    dataDir: absolute(values['data-dir']),
    publicAddr: values['public-addr'],
    help: values.help,
  };
}
