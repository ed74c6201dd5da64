import { setTimeout as delay } from 'node:timers/promises';
import { type Authenticator, type NatsConnection, PermissionViolationError } from '@nats-io/transport-node';
import { createUserKey, inboxPrefix, type OperatorConfig, permissionsOf, userJwt } from '../../src/index.ts';
import type { BusUser } from '../../src/index.ts';
import { dial } from '../../src/dial.ts';
import { readSeed } from '../../src/nkeys.ts';

/** A bus credential for a user, as join-svc signs it. */
export function credentialsFor(
  operator: OperatorConfig,
  user: BusUser,
  expires = new Date(Date.now() + 3_600_000),
): { readonly seed: string; readonly jwt: string; readonly publicKey: string } {
  const { seed, publicKey } = createUserKey();
  const jwt = userJwt({
    accountSeed: operator.accountSeed,
    userPublicKey: publicKey,
    name: user.agentId,
    expires,
    ...permissionsOf(user),
  });
  return { seed, jwt, publicKey };
}

/** A bare connection, so that what is refused is refused by the server and not by our own wrapper. */
export interface RawUser extends AsyncDisposable {
  readonly nats: NatsConnection;
  /** The subjects of these on which the server takes a message. */
  publishable(subjects: readonly string[]): Promise<string[]>;
  /** The subjects of these that may be subscribed to, alone or as a member of a queue. */
  subscribable(subjects: readonly string[], queue?: string): Promise<string[]>;
}

/** Connects as a user whose credential is given. */
export async function rawUser(
  { url, ca }: { readonly url: string; readonly ca?: string | undefined },
  { agentId, seed, jwt }: { readonly agentId: string; readonly seed: string; readonly jwt: string },
): Promise<RawUser> {
  const key = readSeed(seed);
  const authenticator: Authenticator = (nonce = '') => ({
    jwt,
    nkey: key.publicKey,
    sig: key.sign(nonce).toString('base64url'),
  });
  const nats = await dial([url], { authenticator, inboxPrefix: inboxPrefix(agentId) }, { ca });
  const refused = new Set<string>();
  void (async () => {
    for await (const status of nats.status())
      if (status.type === 'error' && status.error instanceof PermissionViolationError)
        refused.add(`${status.error.operation} ${status.error.subject}`);
  })();
  return {
    nats,
    async publishable(subjects) {
      refused.clear();
      for (const subject of subjects) nats.publish(subject, '{}');
      await settled(nats);
      return subjects.filter((subject) => !refused.has(`publish ${subject}`));
    },
    async subscribable(subjects, queue) {
      const allowed: string[] = [];
      // An agent may have 64 subscriptions at a time.
      for (let at = 0; at < subjects.length; at += 32) {
        const some = subjects.slice(at, at + 32);
        allowed.push(...(await subscribableOf(nats, some, queue)));
      }
      return allowed;
    },
    [Symbol.asyncDispose]: () => nats.close(),
  };
}

async function subscribableOf(
  nats: NatsConnection,
  subjects: readonly string[],
  queue: string | undefined,
): Promise<string[]> {
  const refused = new Set<string>();
  const subscriptions = subjects.map((subject) =>
    nats.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback: (error) => {
        if (error) refused.add(subject);
      },
    }),
  );
  await settled(nats);
  for (const subscription of subscriptions) if (!subscription.isClosed()) subscription.unsubscribe();
  return subjects.filter((subject) => !refused.has(subject));
}

/** The server's refusals come before its answer to this; what listens to them runs a turn later. */
async function settled(nats: NatsConnection): Promise<void> {
  await nats.flush();
  await delay(0);
}
