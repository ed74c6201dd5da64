import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { until } from '@postern/testkit';
// oxlint-disable-next-line no-restricted-imports -- what is stored is read past the service that stores it
import pg from 'pg';
import type { ApiServerRequest } from '../streams/audit.ts';
import { soakUser, type SoakGround } from './soak-ground.ts';

/** How records compare with what clients were answered and with what the API server did. */
export interface AuditCounts {
  readonly records: number;
  /** Records whose outcome is not known, since an edge was killed under the request. */
  readonly unknownOutcomes: number;
  readonly answered: number;
  /** Requests of the user that the API server has recorded itself. */
  readonly atApiServer: number;
  readonly findings: readonly string[];
}

interface Row {
  readonly request_id: string;
  readonly audit_id: string;
  readonly outcome: string;
  readonly records: number;
}

const recordedWithinMs = 60_000;

/** Waits until what was answered is recorded, for a bounded time, and compares. */
export async function checkAudit(
  ground: SoakGround,
  answered: ReadonlyMap<string, string>,
): Promise<AuditCounts> {
  let rows: Row[] = [];
  const isRecorded = async () => {
    rows = await recordsOf(ground);
    const known = new Set(rows.map(({ request_id: id }) => id));
    return [...answered.keys()].every((id) => known.has(id));
  };
  await until('everything is recorded', isRecorded, { withinMs: recordedWithinMs, everyMs: 1000 }).catch(
    () => undefined,
  );
  const known = new Set(rows.flatMap(({ request_id, audit_id }) => [request_id, audit_id]));
  const atApiServer = await idsAtApiServer(ground);
  const several = (what: string, all: readonly string[]) =>
    all.length === 0 ? [] : [`${all.length} ${what}: ${all.slice(0, 5).join(', ')}`];
  const unrecorded = [...answered].filter(([id]) => !known.has(id)).map(([id, kind]) => `${id} (${kind})`);
  return {
    records: rows.reduce((sum, { records }) => sum + records, 0),
    unknownOutcomes: rows.filter(({ outcome }) => outcome === 'unknown').length,
    answered: answered.size,
    atApiServer: atApiServer.size,
    findings: [
      ...several('requests were answered and are not recorded', unrecorded),
      ...several(
        'requests are recorded more than once',
        rows.filter(({ records }) => records > 1).map(({ request_id: id }) => id),
      ),
      ...several(
        'requests reached the API server and are not recorded',
        [...atApiServer].filter((id) => !known.has(id)),
      ),
    ],
  };
}

async function recordsOf({ stack }: SoakGround): Promise<Row[]> {
  const client = new pg.Client({ connectionString: stack.postgres.url });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(
      `select data ->> 'requestId' as request_id, min(data ->> 'auditId') as audit_id,
              min(data ->> 'outcome') as outcome, count(*)::int as records
         from inventory.es_event
        where type = 'KubeRequestAudited' and data ->> 'user' = $1
        group by 1`,
      [soakUser],
    );
    return rows;
  } finally {
    await client.end();
  }
}

/** Ids of requests about resources; those of discovery are not recorded. */
async function idsAtApiServer({ target }: SoakGround): Promise<Set<string>> {
  const ids = new Set<string>();
  for await (const line of createInterface(createReadStream(target.auditFile))) {
    if (!line.endsWith('}')) continue;
    const { auditID, impersonatedUser, objectRef } = JSON.parse(line) as ApiServerRequest & {
      readonly auditID: string;
      readonly impersonatedUser?: { readonly username: string };
    };
    if (objectRef && impersonatedUser?.username === soakUser) ids.add(auditID);
  }
  return ids;
}
