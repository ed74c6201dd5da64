import { headlessText } from '@postern/cli';
import type { RotationView } from '@postern/contracts';

/** What holds in each phase, for who decides whether to go on. */
const meaning: Readonly<Record<RotationView['phase'], string>> = {
  standby: 'no rotation is under way',
  init: 'the new authorities are trusted beside the old ones, which certify',
  update_clients: 'the new authorities certify agents and people',
  update_servers: 'the new authorities certify everybody',
  rollback: 'the old authorities certify again',
};

/** A rotation as rows of a status: nothing where there never was one. */
export function rotationRows(view: RotationView): string[][] {
  const { phase, mode, uses, startedAt, phaseSince, nextAt, lastRotated, agents, next } = view;
  const rotated = lastRotated === undefined ? [] : [['CA rotated', lastRotated]];
  if (phase === 'standby') return rotated;
  const waiting = agents.total - agents.followed;
  return [
    ['CA rotation', `${phase} since ${phaseSince} (${mode}, ${uses.join(' and ')}, started ${startedAt})`],
    ['', meaning[phase]],
    ['Followed', `${agents.followed} of ${agents.total} agents and services`],
    ['Next', `${nextOf(next, nextAt)}${waiting > 0 ? `; ${waiting} would not have followed` : ''}`],
    ...rotated,
  ];
}

/** The same as the answer to a command. */
export function rotationText(view: RotationView): string {
  if (view.phase === 'standby')
    return 'The rotation has ended: only what it left is trusted. Replace the CA pin in configurations when you can.\n';
  return headlessText(rotationRows(view));
}

function nextOf(next: readonly string[], nextAt: string | undefined): string {
  if (nextAt === undefined) return `${next.join(' or ')}, by tctl auth rotate --manual --phase=…`;
  return `${next[0]} at ${nextAt}`;
}
