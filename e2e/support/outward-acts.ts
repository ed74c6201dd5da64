import { Sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { Socket } from 'node:net';

/** What a process did that can be felt outside of it. */
export interface OutwardActs {
  /** Connections by port: of the bus, of other services, of mail servers, of clouds. */
  readonly connections: Record<string, number>;
  /** Certificates, tokens, grants. */
  signatures: number;
}

/** Where a process that is started with this file (`--import`) writes its acts when it ends. */
export const actsFileVariable = 'POSTERN_ACTS_FILE';

const file = process.env[actsFileVariable];
if (file !== undefined) watchThisProcess(file);

/** Counts where the runtime itself acts, so that no library can act beside it. Everything is done as it would be. */
function watchThisProcess(path: string): void {
  const acts: OutwardActs = { connections: {}, signatures: 0 };
  before(Socket.prototype, 'connect', (args) => {
    const port = portOf(args);
    acts.connections[port] = (acts.connections[port] ?? 0) + 1;
  });
  before(Sign.prototype, 'sign', () => (acts.signatures += 1));
  const subtle = Object.getPrototypeOf(crypto.subtle) as SubtleCrypto;
  before(subtle, 'sign', ([algorithm]) => {
    // Postgres checks passwords by HMAC: nobody else can read anything out of that.
    if (nameOf(algorithm) !== 'HMAC') acts.signatures += 1;
  });
  process.on('exit', () => writeFileSync(path, JSON.stringify(acts)));
}

function before<T extends object>(owner: T, name: keyof T & string, note: (args: unknown[]) => void): void {
  const original = owner[name] as unknown as (...args: unknown[]) => unknown;
  const noting = function (this: unknown, ...args: unknown[]) {
    note(args);
    return original.apply(this, args);
  };
  Object.defineProperty(owner, name, { value: noting, configurable: true, writable: true });
}

function nameOf(algorithm: unknown): string {
  const { name } =
    typeof algorithm === 'string' ? { name: algorithm } : (algorithm as { readonly name: string });
  return name.toUpperCase();
}

/** `connect(port)`, `connect({ port })`, or either of them in the array that net makes of it. */
function portOf([first]: unknown[]): string {
  const target: unknown = Array.isArray(first) ? first[0] : first;
  const { port, path } = (typeof target === 'object' && target !== null ? target : { port: target }) as {
    readonly port?: unknown;
    readonly path?: unknown;
  };
  return String(port ?? path);
}
