import { isPlainObject } from '@postern/core';
import { UnreadableAnswer } from '../filter/body-filter.ts';

/**
 * The metadata of a filtered list, written anew: its resource version, and the token for the next page without what it tells.
 * The number of items that remain counts those the user may not see.
 */
export function listMetadata(json: Buffer, sealContinue: (token: string) => string): Buffer {
  const { selfLink, resourceVersion, continue: token } = parsed(json);
  return Buffer.from(
    JSON.stringify({
      ...(typeof selfLink === 'string' ? { selfLink } : {}),
      ...(typeof resourceVersion === 'string' ? { resourceVersion } : {}),
      ...(typeof token === 'string' && token !== '' ? { continue: sealContinue(token) } : {}),
    }),
  );
}

function parsed(json: Buffer): Record<string, unknown> {
  try {
    const metadata: unknown = JSON.parse(json.toString());
    if (isPlainObject(metadata)) return metadata;
  } catch (error) {
    throw UnreadableAnswer.from(error, 'its metadata is not valid JSON');
  }
  throw UnreadableAnswer('its metadata is not valid JSON');
}
