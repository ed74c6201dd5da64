import { fromSubjectToken, Heartbeat, Pong, ServedReport } from '@postern/contracts';
import { Compile } from 'typebox/compile';

/** What an agent said, once it is certain that the agent said it about itself. */
export type Reading<T> = { readonly value: T } | { readonly refused: 'malformed' | 'another_agent' };

const isHeartbeat = Compile(Heartbeat);
const isServedReport = Compile(ServedReport);
const isPong = Compile(Pong);

const maxText = 512;
const maxClusters = 10_000;
const farFutureMs = 24 * 3_600_000;
const maxIntervalMs = 3_600_000;

/** The agent id that the bus vouches for: its second token is the one its sender's credential is limited to. */
export function agentIdOf(subject: string): string {
  return fromSubjectToken(subject.split('.')[1] ?? '');
}

export function readHeartbeat(subject: string, body: unknown, now: Date): Reading<Heartbeat> {
  if (!isHeartbeat.Check(body)) return { refused: 'malformed' };
  const { run, startedAt, version, hostname, services, intervalMs, sentAt, lastError, discovery } = body;
  const isSane =
    [run, version, hostname, ...services].every(isStorable) &&
    (discovery === undefined || [discovery.group, ...discovery.sources].every(isStorable)) &&
    services.length <= 16 &&
    services.every((service) => /^[A-Za-z]{1,40}$/.test(service)) &&
    intervalMs <= maxIntervalMs &&
    isPast(startedAt, now) &&
    (sentAt === undefined || isTime(sentAt)) &&
    (lastError === undefined || (isTime(lastError.at) && isStorable(lastError.message)));
  return isSane ? ownOnly(subject, body) : { refused: 'malformed' };
}

export function readServedReport(subject: string, body: unknown, now: Date): Reading<ServedReport> {
  if (!isServedReport.Check(body)) return { refused: 'malformed' };
  const { run, startedAt, clusters } = body;
  const isSane =
    isStorable(run) &&
    clusters.length <= maxClusters &&
    clusters.every(
      ({ name, kubeVersion, labels }) => isStorable(name) && isStorable(kubeVersion) && areStorable(labels),
    ) &&
    isPast(startedAt, now);
  return isSane ? ownOnly(subject, body) : { refused: 'malformed' };
}

export function readPong(subject: string, body: unknown): Reading<Pong & { readonly agentId: string }> {
  if (!isPong.Check(body) || !isTime(body.at)) return { refused: 'malformed' };
  return { value: { agentId: agentIdOf(subject), ...body } };
}

function ownOnly<T extends { readonly agentId: string }>(subject: string, value: T): Reading<T> {
  return value.agentId === agentIdOf(subject) ? { value } : { refused: 'another_agent' };
}

function areStorable(labels: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(labels);
  return (
    entries.length <= 512 &&
    entries.every(([key, value]) => isStorable(key) && value.length <= 1024 && isText(value))
  );
}

function isStorable(text: string): boolean {
  return text.length <= maxText && isText(text);
}

/** Postgres takes neither NUL nor half a character. */
function isText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

/** A run that claims to start in the far future would outrank every later one. */
function isPast(time: string, now: Date): boolean {
  return isTime(time) && Date.parse(time) <= now.getTime() + farFutureMs;
}

/**
 * Whether it is a time as our programs write it. JavaScript reads much that Postgres does not, such as remarks in brackets and
 * the year 0, and one such row would hold up all that are written with it.
 */
function isTime(text: string): boolean {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/.test(text) && Date.parse(text) >= 0;
}
