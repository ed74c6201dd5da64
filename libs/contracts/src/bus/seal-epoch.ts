import { isPlainObject, parseJson } from '@postern/core';

/** Which key of its view an entry was sealed with, as its header says; 0 when that cannot be read. */
export function sealEpochOf(sealed: string): number {
  try {
    const header = parseJson(Buffer.from(sealed.slice(0, sealed.indexOf('.')), 'base64url').toString());
    const epoch = isPlainObject(header) ? Number(header['kid']) : 0;
    return Number.isSafeInteger(epoch) && epoch > 0 ? epoch : 0;
  } catch {
    return 0;
  }
}
