import { type Clock, failure, isPlainObject, type JsonObject, parseJson, systemClock } from '@postern/core';
import { inboxPrefix } from './channels.ts';
import { type BusOptions, type Connection, openConnection } from './connection.ts';
import { readJwt, signJwt } from './jwt.ts';
import { createUserKey, type NatsSigner, readSeed } from './nkeys.ts';
import type { OperatorSecrets } from './operator.ts';

/** The bus belongs to another operator, or does not know the account. */
export const NotTheOperator = failure(
  'failed_precondition',
  'bus.not_the_operator',
  (why: string) => `this control plane is not the operator of the bus: ${why}`,
);

/** The bus did not take a changed account. The text is the server's. */
export const ClaimsRefused = failure(
  'internal',
  'bus.claims_refused',
  (why: string) => `the bus refuses the changed account: ${why}`,
);

/** How to speak to the bus as its operator. */
export interface BusOperatorOptions extends Pick<BusOptions, 'servers' | 'ca' | 'telemetry' | 'patienceMs'> {
  /** Shown by the server's monitoring, and the name of the inbox. */
  readonly name: string;
  readonly secrets: OperatorSecrets;
  readonly clock?: Clock;
}

/** When the last credential of a bus user ends, by the user's public key. */
export type RevokedUsers = ReadonlyMap<string, Date>;

const timeoutMs = 5000;
const lifeMs = 86_400_000;

/** Connects as a user of the system account that may look up and change one account, and nothing else. */
export async function openBusOperator(options: BusOperatorOptions): Promise<BusOperator> {
  const { secrets, name, clock = systemClock, ...connect } = options;
  const account = readSeed(secrets.accountSeed).publicKey;
  const system = readSeed(secrets.systemAccountSeed);
  const prefix = inboxPrefix(`operator-${name}`);
  const subjects = { update: '$SYS.REQ.CLAIMS.UPDATE', lookup: lookupSubject(account) };
  const { seed, publicKey } = createUserKey();
  const creds = () => {
    const exp = Math.floor((clock().getTime() + lifeMs) / 1000);
    const user = {
      type: 'user',
      version: 2,
      pub: { allow: Object.values(subjects) },
      sub: { allow: [`${prefix}.>`] },
      subs: 16,
      data: -1,
      payload: 1024 ** 2,
    };
    return { seed, jwt: signJwt(system, { sub: publicKey, name, exp, nats: user }, clock) };
  };
  const connection = await openConnection({
    ...connect,
    name: `operator-${name}`,
    inboxPrefix: prefix,
    creds,
  });
  return new BusOperator({ connection, account, clock, operator: readSeed(secrets.operatorSeed) });
}

interface Parts {
  readonly connection: Connection;
  readonly account: string;
  readonly clock: Clock;
  readonly operator: NatsSigner;
}

/** The operator of the bus, as far as users are revoked by it. */
export class BusOperator implements AsyncDisposable {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Calls back after each reconnection, when it may be another server. Returns how to stop. */
  onReconnect(listener: () => void): () => void {
    return this.#parts.connection.onReconnect(listener);
  }

  /**
   * Makes these the revoked users of the account, and no others. The server closes their connections and refuses what they
   * present. What is written for each is the end of its last credential, not this moment: a credential that is being signed
   * now, for a request that came before, is of a later time. With `keepOthers` those that are revoked already stay so.
   */
  async setRevoked(users: RevokedUsers, { keepOthers = false } = {}): Promise<void> {
    const current = await this.#account();
    const nats = (current['nats'] ?? {}) as JsonObject;
    const before = isPlainObject(nats['revocations']) ? nats['revocations'] : {};
    const ends = [...users].map(([key, end]) => [key, Math.ceil(end.getTime() / 1000)] as const);
    const all = [...Object.entries(keepOthers ? before : {}), ...ends];
    const revocations = Object.fromEntries(all.toSorted(([one], [other]) => (one < other ? -1 : 1)));
    if (JSON.stringify(before) === JSON.stringify(revocations)) return;
    await this.#update({ ...current, nats: { ...nats, revocations } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.connection.nats.close();
  }

  /** The account as the server has it, since others than we may have changed its limits. */
  async #account(): Promise<JsonObject> {
    const { account, operator } = this.#parts;
    const jwt = await this.#ask(lookupSubject(account), '');
    if (jwt === '') throw NotTheOperator('the account of the seed is not there');
    const claims = readJwt(jwt);
    if (claims['sub'] !== account || claims['iss'] !== operator.publicKey)
      throw NotTheOperator('the account was signed by another key');
    return claims;
  }

  async #update(claims: JsonObject): Promise<void> {
    const { operator, clock } = this.#parts;
    // The server keeps the newer one, and second precision would make two of one second a matter of luck.
    const iat = Math.max(Math.floor(clock().getTime() / 1000), Number(claims['iat']) + 1);
    const answer = parseJson(
      await this.#ask('$SYS.REQ.CLAIMS.UPDATE', signJwt(operator, { ...claims, iat }, clock)),
    );
    const fields = isPlainObject(answer) ? answer : {};
    if (isPlainObject(fields['data']) && fields['data']['code'] === 200) return;
    const error = isPlainObject(fields['error']) ? fields['error']['description'] : undefined;
    throw ClaimsRefused(typeof error === 'string' ? error : 'it does not say why');
  }

  #ask(subject: string, body: string): Promise<string> {
    const { connection } = this.#parts;
    return connection.answered(subject, async () =>
      (await connection.nats.request(subject, body, { timeout: timeoutMs })).string(),
    );
  }
}

function lookupSubject(account: string): string {
  return `$SYS.REQ.ACCOUNT.${account}.CLAIMS.LOOKUP`;
}
