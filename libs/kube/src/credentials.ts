import { readFile } from 'node:fs/promises';
import { type Clock, failure, messageOf, type Secret } from '@postern/core';

/** Headers that tell an API server who we are, and for how long. */
export interface Authorization {
  /** Name and value in turn; none where a client certificate says it. */
  readonly headers: readonly string[];
  /** They are replaced a minute before this. Absent: they do not end. */
  readonly goodUntil?: Date;
}

/** Gets headers, anew at each call. Whatever it throws makes the cluster unhealthy; the headers before stay in use. */
export type CredentialSource = (signal: AbortSignal) => Promise<Authorization>;

/** Credentials that were not had yet, not even once. */
export const NoCredentialsYet = failure(
  'unavailable',
  'kube.no_credentials_yet',
  (why: string) => `the credentials for the API server cannot be had: ${why}`,
);

/** A token file without a token in it. */
const EmptyTokenFile = failure(
  'failed_precondition',
  'kube.empty_token_file',
  () => 'the token file is empty',
);

const refreshBeforeMs = 60_000;
const sourceTimeoutMs = 10_000;
/** However often a server refuses them, credentials are not asked for more often than this. */
const minIntervalMs = 5000;
const tokenFileMs = 60_000;

/** The credentials of one API server: in use as they are, replaced in the background before they end, by one at a time. */
export class Credentials {
  readonly #source: CredentialSource;
  readonly #clock: Clock;
  #current: Authorization | undefined;
  #refreshing: Promise<void> | undefined;
  #refreshedAt = Number.NEGATIVE_INFINITY;
  #problem: string | undefined;

  /** `first` is in use until the source was asked. */
  constructor(source: CredentialSource, clock: Clock, first?: Authorization) {
    this.#source = source;
    this.#clock = clock;
    this.#current = first;
  }

  /** Why they could not be replaced, as long as they could not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** The headers to send now. Throws NoCredentialsYet as long as the source has not given any. */
  headers(): readonly string[] {
    const { goodUntil } = this.#current ?? {};
    const isDue = goodUntil && goodUntil.getTime() - refreshBeforeMs <= this.#clock().getTime();
    if (!this.#current || isDue) this.#refreshSoon();
    if (!this.#current) throw NoCredentialsYet(this.#problem ?? 'they were asked for a moment ago');
    return this.#current.headers;
  }

  /** Asks the source, unless it is being asked already. Never rejects: `problem` tells. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  /** The server did not accept them. True when that was news, and others are asked for. */
  refused(): boolean {
    return this.#refreshSoon();
  }

  /** The same, and waits for the others. True when there are other headers now than those that were sent. */
  async replaced(sent: readonly string[]): Promise<boolean> {
    this.#refreshSoon();
    await this.#refreshing;
    return this.#current !== undefined && this.#current.headers.join('\n') !== sent.join('\n');
  }

  #refreshSoon(): boolean {
    const isRecent = this.#clock().getTime() - this.#refreshedAt < minIntervalMs;
    if (!isRecent) void this.refresh();
    return !isRecent;
  }

  async #refresh(): Promise<void> {
    this.#refreshedAt = this.#clock().getTime();
    try {
      this.#current = await this.#source(AbortSignal.timeout(sourceTimeoutMs));
      this.#problem = undefined;
    } catch (error) {
      this.#problem = messageOf(error);
    }
  }
}

/** What never changes: a token, a name with a password, or nothing. */
export function staticAuthorization({
  token,
  basic,
}: {
  readonly token?: string | Secret | undefined;
  readonly basic?: { readonly username: string; readonly password: string } | undefined;
}): Authorization {
  if (token !== undefined) return bearer(typeof token === 'string' ? token : token.reveal());
  if (!basic) return { headers: [] };
  const encoded = Buffer.from(`${basic.username}:${basic.password}`).toString('base64');
  return { headers: ['authorization', `Basic ${encoded}`] };
}

/** A token in a file that somebody replaces long before it ends, as Kubernetes does in a pod. Read again every minute. */
export function tokenFileSource(path: string, clock: Clock): CredentialSource {
  return async (signal) => {
    const token = (await readFile(path, { encoding: 'utf8', signal })).trim();
    if (token === '') throw EmptyTokenFile();
    return { ...bearer(token), goodUntil: new Date(clock().getTime() + tokenFileMs + refreshBeforeMs) };
  };
}

function bearer(token: string): Authorization {
  return { headers: ['authorization', `Bearer ${token}`] };
}
