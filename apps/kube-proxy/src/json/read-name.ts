import { byte } from './json-tokens.ts';
import { type JsonBytes, Members } from './members.ts';

/** Whose object it is. `namespace` is empty for objects of the whole cluster. */
export interface ObjectName {
  readonly namespace: string;
  readonly name: string;
}

/** `incomplete` when more bytes are needed to tell; `nameless` when the object has no metadata with a name. */
export type ReadName = ObjectName | 'incomplete' | 'nameless';

/**
 * Name and namespace of the object that begins at `start`. It reads no further than it has to, so that the rest of a long
 * object can stream by. Of a key that is there twice the first counts: the encoders of API servers never write one twice.
 */
export function readName(json: JsonBytes, start: number): ReadName {
  const metadata = findMember(json, start, 'metadata');
  if (typeof metadata !== 'number') return metadata;
  return json.bytes[metadata] === byte.openObject ? nameIn(json, metadata) : 'nameless';
}

/** Where the value of a key begins in the object that begins at `start`. */
export function findMember(json: JsonBytes, start: number, key: string): number | 'incomplete' | 'nameless' {
  const members = new Members(json, start);
  for (;;) {
    const found = members.next();
    if (found !== 'member') return found === 'end' ? 'nameless' : found;
    if (members.isKey(key)) return members.value;
    if (!members.isWhole()) return 'incomplete';
  }
}

function nameIn(json: JsonBytes, start: number): ReadName {
  const members = new Members(json, start);
  let name: string | undefined;
  let namespace: string | undefined;
  while (name === undefined || namespace === undefined) {
    const found = members.next();
    if (found === 'end') return name === undefined ? 'nameless' : { namespace: '', name };
    if (found === 'incomplete' || !members.isWhole()) return 'incomplete';
    if (name === undefined && members.isKey('name')) {
      name = members.text();
      if (name === undefined) return 'nameless';
    } else if (namespace === undefined && members.isKey('namespace')) {
      namespace = members.text() ?? (isNull(json, members) ? '' : undefined);
      if (namespace === undefined) return 'nameless';
    }
  }
  return { namespace, name };
}

function isNull({ bytes }: JsonBytes, { value, end }: Members): boolean {
  return bytes.toString('latin1', value, end) === 'null';
}
