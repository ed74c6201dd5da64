import { randomBytes } from 'node:crypto';
import type { IssuedKey } from './signature.ts';

/** Who a key belongs to, as STS tells it. */
export interface AwsPrincipal {
  readonly account: string;
  readonly arn: string;
  readonly userId: string;
}

/** A role that can be assumed. */
export interface AwsRole {
  /** `arn:<partition>:iam::<account>:role/<name>` */
  readonly arn: string;
  /** `AROA…` */
  readonly id: string;
  /** Whether the bearer of a web identity may assume it, by the claims of its token. */
  readonly trusts?: (claims: Readonly<Record<string, unknown>>) => boolean;
  /** Who may assume it with credentials of their own; everybody where absent. */
  readonly trustsPrincipal?: (by: AwsPrincipal) => boolean;
  /** The external id that whoever assumes it has to know. */
  readonly externalId?: string;
}

interface KeyOptions {
  /** Temporary credentials have a token, and may end. */
  readonly isTemporary?: boolean;
  readonly expires?: Date;
}

/** The accounts of a little AWS: keys with who they belong to, and roles. */
export class AwsAccounts {
  readonly keys = new Map<string, IssuedKey>();
  readonly roles = new Map<string, AwsRole>();
  readonly #owners = new Map<string, AwsPrincipal>();

  /** A new key of a principal. */
  issueKey(owner: AwsPrincipal, { isTemporary = false, expires }: KeyOptions = {}): IssuedKey {
    const key = {
      accessKeyId: `${isTemporary ? 'ASIA' : 'AKIA'}${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(30).toString('base64'),
      ...(isTemporary ? { sessionToken: randomBytes(96).toString('base64') } : {}),
      ...(expires ? { expires } : {}),
    };
    this.keys.set(key.accessKeyId, key);
    this.#owners.set(key.accessKeyId, owner);
    return key;
  }

  /** Variables that give a process temporary credentials of a principal. */
  variablesOf(owner: AwsPrincipal): Record<string, string> {
    const { accessKeyId, secretAccessKey, sessionToken = '' } = this.issueKey(owner, { isTemporary: true });
    return {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    };
  }

  ownerOf({ accessKeyId }: Pick<IssuedKey, 'accessKeyId'>): AwsPrincipal {
    return this.#owners.get(accessKeyId)!;
  }

  /** Temporary credentials of a role. */
  assume({ arn, id }: AwsRole, session: string): { readonly key: IssuedKey; readonly as: AwsPrincipal } {
    const as = sessionOf({ arn, id }, session);
    return { as, key: this.issueKey(as, { isTemporary: true, expires: new Date(Date.now() + 3_600_000) }) };
  }
}

/** A session of a role, as a principal. */
export function sessionOf({ arn, id }: Pick<AwsRole, 'arn' | 'id'>, session: string): AwsPrincipal {
  const [, partition, , , account, resource = ''] = arn.split(':');
  const name = resource.split('/').at(-1);
  return {
    account: account!,
    arn: `arn:${partition}:sts::${account}:assumed-role/${name}/${session}`,
    userId: `${id}:${session}`,
  };
}
