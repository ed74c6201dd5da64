import type { SoakReport } from './run-soak.ts';

/** The report of a soak for people: tables, and what must not be. */
export function formatReport(report: SoakReport): string {
  const { ledger, disturbances, loads, first, last, audit, findings } = report;
  const requests = [...ledger.tallies]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([kind, { done, retried, unknown, failed }]) => [kind, done, retried, unknown, failed]);
  const kinds = ['kill agent', 'stop agent', 'roll edge', 'kill edge'] as const;
  const processes = [...first].map(([name, before]) => {
    const now = last.get(name);
    return [name, before.rssMegabytes, now?.rssMegabytes ?? '-', before.handles, now?.handles ?? '-'];
  });
  const sum = (of: (load: SoakReport['loads'][number]) => number) =>
    loads.reduce((total, load) => total + of(load), 0);
  const told = ledger.unknowns.filter(({ how }) => how === 'told').length;
  const wereDone = ledger.unknowns.filter(({ wasDone }) => wasDone === true).length;
  const facts: [string, string | number][] = [
    ...kinds.map((kind): [string, number] => [kind, disturbances.count(kind)]),
    ['outcome unknown: told by the answer', told],
    ['outcome unknown: the connection ended', ledger.unknowns.length - told],
    ['outcome unknown: had been done', wereDone],
    ['objects made and removed for informers', sum(({ informed }) => informed.made + informed.removed)],
    ['events that informers told', sum(({ informed }) => informed.events)],
    ['informers cut and begun again', sum(({ informed }) => informed.restarts)],
    ['changes that informers missed', sum(({ informed }) => informed.missed.length)],
    ['lines of the log', sum(({ followed }) => followed.lines)],
    ['logs followed', sum(({ followed }) => followed.sessions)],
    ['requests answered with an id', audit.answered],
    ['requests recorded', audit.records],
    ['requests recorded with an unknown outcome', audit.unknownOutcomes],
    ['requests that the API server recorded', audit.atApiServer],
  ];
  return [
    table(['requests', 'done', 'retried', 'unknown', 'failed'], requests),
    table(['what', 'count'], facts),
    table(['process', 'MB first', 'MB last', 'handles first', 'handles last'], processes),
    findings.length === 0 ? 'nothing was lost' : findings.map((finding) => `FAILED  ${finding}`).join('\n'),
  ].join('\n\n');
}

type Cell = string | number;

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const all = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, at) => Math.max(...all.map((row) => row[at]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!)))
      .join('  ')
      .trimEnd();
  return all.map(line).join('\n');
}
