import { oneLine } from '@postern/cli';
import type { ResourceChange } from '@postern/client';
import { fieldLines } from './field-lines.ts';

/** One change as a paragraph: what happened, its revision and request, and each field. */
export function changeLines(change: ResourceChange): string[] {
  const { kind, name, at, revision, correlation, fields } = change;
  const details = [
    `revision ${revision}`,
    ...(correlation === '' ? [] : [`request  ${correlation}`]),
    ...fields.flatMap(fieldLines),
  ];
  const headline = `${kind}/${name} ${wordsFor(change)} by ${whoOf(change)} at ${at}`;
  return [oneLine(headline), ...details.map((line) => `  ${line}`)];
}

function wordsFor({ change, restoredFrom }: ResourceChange): string {
  return restoredFrom === undefined ? change : `restored to ${restoredFrom}`;
}

/** The user; the service where the cluster did it by itself, as it does when something expires. */
function whoOf({ user, actor }: ResourceChange): string {
  if (user !== '') return user;
  return /\/svc\//.test(actor) ? 'the cluster' : actor || 'unknown';
}
