import { connect as connectTcp } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { workerData } from 'node:worker_threads';

/** A thread that sends bad joins again and again, from many addresses of this machine. */
export interface FloodPlan {
  readonly port: number;
  readonly ca: string;
  /** Bodies, in turns. */
  readonly bodies: readonly string[];
  readonly addresses: number;
  readonly connectionsEach: number;
  /** How many were answered, by status: 400, 403, 429, everything else; and how many connections were opened. */
  readonly answered: SharedArrayBuffer;
}

const { port, ca, bodies, addresses, connectionsEach, answered } = workerData as FloodPlan;
const counts = new Int32Array(answered);
const placeOf: Readonly<Record<string, number>> = { '400': 0, '403': 1, '429': 2 };
const opened = 4;
// Written by hand: a client library costs several times what join-svc spends on refusing.
const requests = bodies.map((body) => {
  const head = `POST /v1/join HTTP/1.1\r\nhost: localhost:${port}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body);
});

for (let at = 0; at < addresses; at += 1)
  for (let each = 0; each < connectionsEach; each += 1)
    open(`127.9.${at >> 8}.${at & 255 || 255}`, at + each);

function open(localAddress: string, turn: number): void {
  Atomics.add(counts, opened, 1);
  const socket = connect({
    socket: connectTcp({ port, host: '127.0.0.1', localAddress }),
    servername: 'localhost',
    ca,
  });
  let next = turn;
  let heard = '';
  const send = () => void socket.write(requests[next++ % requests.length]!);
  socket.on('secureConnect', send);
  socket.on('data', (bytes: Buffer) => {
    heard += bytes.toString('latin1');
    if (!isWhole(heard)) return;
    Atomics.add(counts, placeOf[heard.slice(9, 12)] ?? 3, 1);
    const isLast = /\r\nconnection: close\r\n/i.test(heard);
    heard = '';
    if (isLast) socket.end();
    else send();
  });
  whenClosed(socket, () => open(localAddress, next));
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end + 2));
  return end !== -1 && length !== null && text.length >= end + 4 + Number(length[1]);
}

function whenClosed(socket: TLSSocket, then: () => void): void {
  socket.on('error', () => {});
  socket.on('close', () => setTimeout(then, 10));
}
