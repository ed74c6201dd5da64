import type { OperatorSecrets } from '@postern/bus';
import { failure, isPlainObject, parseJson, type Secret } from '@postern/core';
import type { Sealer } from '@postern/identity';

/** A file that does not hold what it must. Its content is never told. */
export const InvalidOperatorFile = failure(
  'invalid_argument',
  'join.invalid_operator_file',
  () =>
    'POSTERN_BUS_OPERATOR_FILE must hold {"operatorSeed":"SO…","systemAccountSeed":"SA…"}, as it is or sealed by the key of POSTERN_KEY_FILE',
);

/** The two seeds by which the bus is told whom not to trust any more. */
export type OperatorFile = Pick<OperatorSecrets, 'operatorSeed' | 'systemAccountSeed'>;

const place = 'join/bus/operator';

/** The content of an operator file that opens with the key encryption key only. */
export function sealOperatorFile(
  sealer: Sealer,
  { operatorSeed, systemAccountSeed }: OperatorFile,
): Promise<string> {
  return sealer.seal(JSON.stringify({ operatorSeed, systemAccountSeed }), place);
}

/** Reads an operator file. A secret manager hands it over as it is; on a disk it is sealed. */
export async function openOperatorFile(sealer: Sealer, file: Secret): Promise<OperatorFile> {
  const text = file.reveal();
  const plain = text.startsWith('{') ? file : await sealer.unseal(text, place);
  const { operatorSeed, systemAccountSeed } = fieldsOf(plain);
  if (typeof operatorSeed !== 'string' || typeof systemAccountSeed !== 'string') throw InvalidOperatorFile();
  return { operatorSeed, systemAccountSeed };
}

function fieldsOf(plain: Secret): Readonly<Record<string, unknown>> {
  try {
    const fields = parseJson(plain.reveal());
    if (isPlainObject(fields)) return fields;
  } catch {
    // The parser's error would quote the content.
  }
  throw InvalidOperatorFile();
}
