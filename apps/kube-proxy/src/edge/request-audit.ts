import {
  type DataOf,
  KubeRequestAudited,
  KubeSessionEnded,
  KubeSessionStarted,
  KubeStreamEnded,
  type NewEvent,
} from '@postern/contracts';
import type { AppError, Clock } from '@postern/core';
import { ClientLeft } from '../forward/answers.ts';
import { AuditUnavailable, type EncodedFact, type FactLog } from '../facts/fact-log.ts';
import { firstValue } from '../request/query.ts';
import type { RequestInfo } from '../request/request-info.ts';
import { recordText } from './record-text.ts';
import type { RequestRecord } from './request-record.ts';

export interface RequestAuditDeps {
  readonly facts: FactLog;
  readonly edge: string;
  readonly clock: Clock;
}

type Ending = Pick<DataOf<typeof KubeStreamEnded>, 'endedBy' | 'reason'>;

const unknownEnding: Ending = { endedBy: 'unknown', reason: '' };
const maxCommandWords = 64;
const maxWordCharacters = 1024;

/**
 * The records of requests: one fact for each, and for what is long-lived one for its beginning and one for its end. Of what
 * may change something, and of every stream, the record is on disk before the API server hears of it, as a promise that says
 * that the outcome is not known; the real one takes its place.
 */
export class RequestAudit {
  readonly #deps: RequestAuditDeps;

  constructor(deps: RequestAuditDeps) {
    this.#deps = deps;
  }

  /** Refuses what could not be recorded. */
  admit(record: RequestRecord): void {
    if (record.isAudited && this.#deps.facts.mustRefuse) throw AuditUnavailable();
  }

  /** Settles when the record of what is about to be sent is on disk; undefined where nothing must be waited for. */
  beforeSending(record: RequestRecord, isUpgrade = false): Promise<void> | undefined {
    record.sent();
    const mayChange = isUpgrade || (record.info !== undefined && !isRead(record.info));
    if (!record.isAudited || !mayChange) return undefined;
    const { facts, edge } = this.#deps;
    return facts.promise(encoded(record.data(edge, 'unknown')), record.at, record.requestId);
  }

  /** Something long-lived began: that is recorded now, and its end is promised. */
  began(record: RequestRecord): void {
    if (!record.isStream) return;
    this.tell(record);
    if (!record.isAudited) return;
    const { facts, edge } = this.#deps;
    const session = sessionOf(record, edge);
    if (session) facts.add(session, this.#deps.clock(), `${record.requestId}-session`);
    // Nobody waits for it: what has begun goes on.
    facts.promise(this.#ending(record, unknownEnding), record.at, endIdOf(record)).catch(() => undefined);
  }

  /** It is over, whatever it was. */
  ended(record: RequestRecord, error: AppError | undefined, cutBy: AppError | undefined): void {
    if (!record.isStream) this.tell(record);
    else if (record.isAudited) {
      const ending = this.#ending(record, endingOf(error, cutBy));
      this.#deps.facts.add(ending, this.#deps.clock(), endIdOf(record));
    }
  }

  /** The record of a request as it is now. */
  tell(record: RequestRecord): void {
    if (!record.isAudited) return;
    const { facts, edge } = this.#deps;
    facts.add(encoded(record.data(edge)), record.at, record.requestId);
  }

  #ending(record: RequestRecord, ending: Ending): NewEvent<string, object> {
    const { requestId, user, cluster, info, traffic, durationMs } = record;
    const { edge } = this.#deps;
    const {
      verb = '',
      apiGroup = '',
      resource = '',
      subresource = '',
      namespace = '',
      name = '',
    } = info ?? {};
    const common = { requestId, user, cluster, namespace, ...ending, durationMs, ...traffic, edge };
    if (!isSession(record))
      return KubeStreamEnded({ ...common, verb, apiGroup, resource, subresource, name });
    const container = firstValue(info?.query ?? [], 'container') ?? '';
    return KubeSessionEnded({ ...common, sessionId: requestId, pod: name, container: bounded(container) });
  }
}

function encoded(data: DataOf<typeof KubeRequestAudited>): EncodedFact {
  return { type: KubeRequestAudited.type, v: KubeRequestAudited.v, json: recordText(data) };
}

function endIdOf({ requestId }: RequestRecord): string {
  return `${requestId}-end`;
}

/** A connection that is proxied to a pod, service or node may change anything there, whatever its method. */
function isRead({ method, verb, subresource }: RequestInfo): boolean {
  return (method === 'GET' || method === 'HEAD') && verb !== 'proxy' && subresource !== 'proxy';
}

function isSession({ info, status }: RequestRecord): boolean {
  return status === 101 && (info?.subresource === 'exec' || info?.subresource === 'attach');
}

function sessionOf(record: RequestRecord, edge: string): NewEvent<string, object> | undefined {
  const { info, requestId, user, cluster, kubeUser, address, isRecorded } = record;
  if (!info || !isSession(record)) return undefined;
  const words = info.query.filter(([key]) => key === 'command').map(([, word]) => word);
  const isOn = (name: string) => ['true', '1'].includes(firstValue(info.query, name) ?? '');
  return KubeSessionStarted({
    sessionId: requestId,
    requestId,
    user,
    cluster,
    namespace: info.namespace,
    pod: info.name,
    container: bounded(firstValue(info.query, 'container') ?? ''),
    type: info.subresource === 'attach' ? 'attach' : 'exec',
    command: words.slice(0, maxCommandWords).map(bounded),
    isTty: isOn('tty'),
    hasStdin: isOn('stdin'),
    kubeUser,
    isRecorded,
    edge,
    sourceIp: address,
  });
}

function bounded(text: string): string {
  return text.slice(0, maxWordCharacters).toWellFormed().replaceAll('\0', '');
}

function endingOf(error: AppError | undefined, cutBy: AppError | undefined): Ending {
  if (cutBy) return { endedBy: 'cut', reason: cutBy.code };
  if (error?.code === ClientLeft.code) return { endedBy: 'client', reason: '' };
  return { endedBy: 'upstream', reason: error?.code ?? '' };
}
