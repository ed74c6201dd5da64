import { readFile } from 'node:fs/promises';
import type { KubeApiServer, Postgres } from '@postern/lab';
// oxlint-disable-next-line no-restricted-imports -- what is stored is read past the service that stores it
import pg from 'pg';

/** What KubeRequestAudited says of one request, as far as tests look. */
export interface AuditedRequest {
  readonly user: string;
  readonly cluster: string;
  readonly decision: 'allow' | 'deny';
  readonly reason: string;
  readonly verb: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly kubeUser: string;
  readonly kubeGroups: readonly string[];
  readonly status: number;
}

/** Every request of a user that inventory-svc has recorded, oldest first. */
export async function auditedRequests(postgres: Postgres, user: string): Promise<AuditedRequest[]> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ data: AuditedRequest }>(
      `select data from inventory.es_event where type = 'KubeRequestAudited' and data ->> 'user' = $1 order by seq`,
      [user],
    );
    return rows.map((row) => row.data);
  } finally {
    await client.end();
  }
}

/** How often each of some requests is recorded; those that are not are left out. */
export async function recordedTimes(
  postgres: Postgres,
  requestIds: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const client = new pg.Client({ connectionString: postgres.url });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string; times: number }>(
      `select data ->> 'requestId' as id, count(*)::int as times from inventory.es_event
       where type = 'KubeRequestAudited' and data ->> 'requestId' = any($1) group by 1`,
      [requestIds],
    );
    return new Map(rows.map(({ id, times }) => [id, times]));
  } finally {
    await client.end();
  }
}

/** A line of the API server's own audit log. */
export interface ApiServerRequest {
  readonly verb: string;
  readonly requestURI: string;
  readonly user: { readonly username: string };
  readonly impersonatedUser?: unknown;
  readonly objectRef?: {
    readonly resource: string;
    readonly namespace?: string;
    readonly subresource?: string;
  };
}

/** What the API server has recorded of requests by one of its own users. */
export async function apiServerRequests(
  { auditFile }: KubeApiServer,
  user: string,
): Promise<ApiServerRequest[]> {
  const lines = (await readFile(auditFile, 'utf8')).split('\n').filter((line) => line.endsWith('}'));
  const requests = lines.map((line) => JSON.parse(line) as ApiServerRequest);
  return requests.filter((request) => request.user.username === user);
}
