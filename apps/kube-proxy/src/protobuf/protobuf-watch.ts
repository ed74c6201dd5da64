import { type BodyFilter, type MaySee, maxHeldBytes, UnreadableAnswer } from '../filter/body-filter.ts';
import { Output } from '../filter/output.ts';
import { StepReader } from '../filter/step-reader.ts';
import { bytesField, protobufObject, textField } from '../request/protobuf.ts';
import { maySeeObject, readable } from './protobuf-fields.ts';

const lengthBytes = 4;
/** Fields of WatchEvent, and of the RawExtension in it. */
const eventType = 1;
const eventObject = 2;
const raw = 1;

/**
 * Filters a watch in protobuf: each event is behind its length of four bytes. Bookmarks and errors concern nobody's object and
 * pass; what else is kept is passed on byte for byte.
 */
export class ProtobufWatchFilter implements BodyFilter {
  readonly #maySee: MaySee;
  readonly #out = new Output();
  readonly #reader = new StepReader((bytes) => this.#read(bytes));

  constructor(maySee: MaySee) {
    this.#maySee = maySee;
  }

  push(chunk: Buffer): Buffer | undefined {
    this.#reader.push(chunk);
    return this.#out.take();
  }

  /** A last event that is incomplete is dropped. */
  end(): Buffer | undefined {
    this.#reader.flush();
    return this.#out.take();
  }

  #read(bytes: Buffer): number {
    let at = 0;
    while (bytes.length - at >= lengthBytes) {
      const start = at + lengthBytes;
      const length = bytes.readUInt32BE(at);
      if (length > maxHeldBytes) throw UnreadableAnswer('an event in it is too large');
      const end = start + length;
      if (end > bytes.length) break;
      if (readable(() => this.#maySeeEvent(bytes.subarray(start, end)))) this.#out.keep(bytes, at, end);
      at = end;
    }
    return at;
  }

  #maySeeEvent(event: Buffer): boolean {
    const type = textField(event, eventType);
    if (type === 'BOOKMARK' || type === 'ERROR') return true;
    const object = bytesField(event, eventObject);
    const content = object && bytesField(object, raw);
    if (type === '' || !content) throw UnreadableAnswer('an event in it is malformed');
    return maySeeObject(protobufObject(content), this.#maySee);
  }
}
