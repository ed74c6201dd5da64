import { failure } from '@postern/core';
import { describe, expect, test } from 'vitest';
import { FakeTimers, get, Heard, join, ok, quiet, settled } from '../test/support/tunnels.ts';

const Cancelled = failure('unavailable', 'kube.cancelled', () => 'the client went away');

describe('a request', () => {
  test('is answered, with heads, bodies and ends as they were sent', async () => {
    const { edge, accepted } = join();
    const heard = new Heard();
    const head = { ...get, upgrade: 'websocket', to: 'agent-7', headers: ['x-ä', 'b\tc', 'empty', ''] };
    const stream = edge.open(head, heard);
    stream.write(Buffer.from('ask '));
    stream.end(Buffer.from('me'));
    await settled('the request is there', () => accepted[0]?.heard.log.at(-1) === 'end');
    expect(accepted[0]!.head).toEqual(head);
    expect(accepted[0]!.heard.text).toBe('ask me');
    accepted[0]!.stream.answer({ status: 201, headers: ['a', '1', 'a', '2'] });
    accepted[0]!.stream.end(Buffer.from('told'));
    await settled('the answer is there', () => stream.isEnded);
    expect(heard.log).toEqual(['answer 201', 'data', 'end']);
    expect(heard.head!.headers).toEqual(['a', '1', 'a', '2']);
    expect(heard.text).toBe('told');
    await settled('nothing is left', () => edge.openStreams === 0);
  });

  test('is answered before its body has ended', async () => {
    const { edge, accepted, agent } = join({ onOpen: ({ stream }) => stream.answer(ok) });
    const heard = new Heard();
    const stream = edge.open(get, heard);
    await settled('it is answered', () => heard.head !== undefined);
    accepted[0]!.stream.end(Buffer.from('all'));
    await settled('the answer has ended', () => heard.log.at(-1) === 'end');
    expect(stream.isEnded).toBe(false);
    stream.write(Buffer.from('still talking'));
    await settled('the body is there', () => accepted[0]!.heard.text === 'still talking');
    stream.end();
    await settled('nothing is left', () => edge.openStreams + agent.openStreams === 0);
  });

  test('can be opened by either end, with its own numbers', async () => {
    const there: Heard[] = [];
    const accept = () => {
      there.push(new Heard());
      return there.at(-1)!;
    };
    const { edge, agent } = join({ accept, ofAgent: { accept } });
    edge.open(get, new Heard()).end();
    agent.open(get, new Heard()).end();
    await settled(
      'both have arrived',
      () => there.every(({ log }) => log.at(-1) === 'end') && there.length === 2,
    );
    expect([edge.openStreams, agent.openStreams]).toEqual([2, 2]);
  });

  test('that nobody can carry is refused before anything is sent', () => {
    const { edge, edgeSocket } = join();
    const open = (change: object) => () => edge.open({ ...get, ...change }, new Heard());
    expect(open({ path: '/a\r\nb' })).toThrow('characters');
    expect(open({ path: '/\u010a' })).toThrow('characters');
    expect(open({ headers: ['a'] })).toThrow('no value');
    expect(open({ headers: ['a', 'b'.repeat(70_000)] })).toThrow('longer than');
    expect(open({ headers: Array.from({ length: 514 }, () => 'a') })).toThrow('more than 256');
    expect([edge.openStreams, edgeSocket.written.length]).toEqual([0, 0]);
  });
});

describe('a reset', () => {
  test('tells the other end its kind, code and message, and nothing more is heard', async () => {
    const { edge, agent, accepted } = join({ onOpen: ({ stream }) => stream.answer(ok) });
    const heard = new Heard();
    const stream = edge.open(get, heard);
    await settled('it is answered', () => heard.head !== undefined);
    accepted[0]!.stream.write(Buffer.alloc(200_000));
    stream.reset(Cancelled());
    await settled('nothing is left', () => edge.openStreams + agent.openStreams === 0);
    const { error } = accepted[0]!.heard;
    expect([error!.kind, error!.code, error!.message]).toEqual([
      'unavailable',
      'kube.cancelled',
      'the client went away',
    ]);
    expect(heard.log).toEqual(['answer 200']);
    expect(accepted[0]!.stream.write(Buffer.from('too late'))).toBe(true);
  });

  test('of both ends at once is the end of it', async () => {
    const { edge, agent, accepted } = join();
    const heard = new Heard();
    const stream = edge.open(get, heard);
    await settled('it is there', () => accepted.length === 1);
    stream.reset(Cancelled());
    accepted[0]!.stream.reset(Cancelled());
    await settled('nothing is left', () => edge.openStreams + agent.openStreams === 0);
    expect([heard.log, accepted[0]!.heard.log]).toEqual([[], []]);
  });

  test('after the own end waits for the end of the other, not for an answer', async () => {
    const { edge, agent, accepted } = join({ onOpen: ({ stream }) => stream.answer(ok) });
    const stream = edge.open(get, new Heard());
    stream.end();
    await settled('its end is there', () => accepted[0]?.heard.log.at(-1) === 'end');
    accepted[0]!.stream.end();
    await quiet(1);
    stream.reset(Cancelled());
    await settled('nothing is left', () => edge.openStreams + agent.openStreams === 0);
    edge.open(get, new Heard()).end();
    await settled('the tunnel goes on', () => accepted.length === 2);
  });

  test('happens to a stream alone when its owner throws', async () => {
    const { edge, accepted, reported } = join();
    const events = Object.assign(new Heard(), {
      answer: () => {
        throw new TypeError('a bug');
      },
    });
    const other = edge.open(get, new Heard());
    edge.open(get, events);
    await settled('both are there', () => accepted.length === 2);
    accepted[1]!.stream.answer(ok);
    await settled('the other end knows', () => accepted[1]!.heard.error?.code === 'core.unexpected');
    expect(events.error!.code).toBe('core.unexpected');
    expect(String(reported[0])).toContain('a bug');
    expect(other.isEnded).toBe(false);
  });
});

describe('draining', () => {
  test('lets streams end, opens no new ones at either end, and closes without an error', async () => {
    let asked = 0;
    const { edge, agent, accepted } = join({ draining: () => void (asked += 1) });
    const heard = new Heard();
    const stream = edge.open(get, heard);
    await settled('it is there', () => accepted.length === 1);
    agent.drain();
    await settled('the edge knows', () => edge.isDraining);
    expect(asked).toBe(1);
    expect(() => edge.open(get, new Heard())).toThrow('about to close');
    expect(() => agent.open(get, new Heard())).toThrow('about to close');
    accepted[0]!.stream.answer(ok);
    accepted[0]!.stream.end(Buffer.from('done'));
    stream.end();
    expect(await Promise.all([edge.closed, agent.closed])).toEqual([undefined, undefined]);
    expect(heard.log).toEqual(['answer 200', 'data', 'end']);
  });

  test('accepts what was opened before the peer heard of it', async () => {
    const { edge, agent, accepted } = join({ onOpen: ({ stream }) => stream.answer(ok) });
    agent.drain();
    const heard = new Heard();
    edge.open(get, heard).end();
    await settled('it is answered', () => heard.head !== undefined);
    accepted[0]!.stream.end();
    expect(await agent.closed).toBeUndefined();
    expect(heard.log).toEqual(['answer 200', 'end']);
  });

  test('by both ends at once closes both', async () => {
    const { edge, agent } = join();
    edge.drain();
    agent.drain();
    expect(await Promise.all([edge.closed, agent.closed])).toEqual([undefined, undefined]);
  });

  test('ends what is left after the grace', async () => {
    const timers = new FakeTimers();
    const { edge, agent, accepted } = join({ timers });
    const heard = new Heard();
    edge.open(get, heard);
    await settled('it is there', () => accepted.length === 1);
    agent.drain(5000);
    await timers.pass(4000);
    expect(heard.error).toBeUndefined();
    await timers.pass(2000);
    expect(heard.error!.code).toBe('tunnel.closed');
    await timers.pass(2000);
    expect((await agent.closed)!.code).toBe('tunnel.closed');
    expect((await edge.closed)!.code).toBe('tunnel.closed');
    expect(timers.waiting).toBe(0);
  });

  test('happens by itself when the numbers for streams are used up', async () => {
    const { edge, accepted } = join({ limits: { lastStream: 4 } });
    edge.open(get, new Heard());
    edge.open(get, new Heard());
    expect(() => edge.open(get, new Heard())).toThrow('about to close');
    await settled('both are there', () => accepted.length === 2);
    expect(edge.isDraining).toBe(true);
  });
});

describe('the end of a tunnel', () => {
  const Revoked = failure('permission_denied', 'kube.agent_revoked', () => 'the agent was revoked');

  test('ends every stream with the reason, at both ends', async () => {
    const { edge, agent, accepted } = join();
    const heard = new Heard();
    edge.open(get, heard);
    await settled('it is there', () => accepted.length === 1);
    edge.close(Revoked());
    const reasons = await Promise.all([edge.closed, agent.closed]);
    expect(reasons.map((reason) => reason?.code)).toEqual(['kube.agent_revoked', 'kube.agent_revoked']);
    expect([heard.error!.code, accepted[0]!.heard.error!.code]).toEqual([
      'kube.agent_revoked',
      'kube.agent_revoked',
    ]);
    expect(() => edge.open(get, new Heard())).toThrow('revoked');
    expect([edge.openStreams, agent.openStreams]).toEqual([0, 0]);
  });

  test('without a word is told as a loss', async () => {
    const { edge, agentSocket, accepted } = join();
    const heard = new Heard();
    edge.open(get, heard);
    await settled('it is there', () => accepted.length === 1);
    agentSocket.destroy();
    expect((await edge.closed)!.code).toBe('tunnel.lost');
    expect(heard.error!.code).toBe('tunnel.lost');
  });

  test('comes with the end of its scope', async () => {
    const { edge, agent } = join();
    {
      await using scoped = edge;
      expect(scoped.openStreams).toBe(0);
    }
    expect((await agent.closed)!.code).toBe('tunnel.closed');
  });

  test('does not take what had come already from a reader that paused', async () => {
    const { edge, agentSocket, accepted } = join();
    const heard = new Heard();
    const stream = edge.open(get, heard);
    stream.pause();
    stream.end();
    await settled('it is there', () => accepted[0]?.heard.log.at(-1) === 'end');
    accepted[0]!.stream.answer(ok);
    accepted[0]!.stream.end(Buffer.from('kept'));
    await quiet();
    agentSocket.destroy();
    await edge.closed;
    stream.resume();
    expect(heard.log).toEqual(['answer 200', 'data', 'end']);
    expect(heard.text).toBe('kept');
  });
});

describe('pings', () => {
  test('find a peer that answers nothing within 30 seconds (W-11)', async () => {
    const timers = new FakeTimers();
    const { edge, edgeSocket, agentSocket } = join({ timers });
    const heard = new Heard();
    edge.open(get, heard);
    await timers.pass(1000);
    expect(edge.roundTripMs).toBeDefined();
    edgeSocket.isStalled = true;
    agentSocket.isStalled = true;
    await timers.pass(28_000);
    expect(heard.error).toBeUndefined();
    await timers.pass(1000);
    expect(heard.error!.code).toBe('tunnel.silent');
    expect((await edge.closed)!.code).toBe('tunnel.silent');
  });

  test('find a peer that sends and never reads (W-11)', async () => {
    const timers = new FakeTimers();
    const { edge, edgeSocket, agent } = join({ timers });
    await timers.pass(1000);
    edgeSocket.isStalled = true;
    await timers.pass(31_000);
    expect((await edge.closed)!.code).toBe('tunnel.silent');
    await agent.closed;
  });

  test('keep an idle tunnel open for a day (W-11)', async () => {
    const timers = new FakeTimers();
    const { edge, accepted } = join({ timers });
    const heard = new Heard();
    edge.open(get, heard);
    await settled('it is there', () => accepted.length === 1);
    await timers.pass(24 * 3_600_000, 10_000);
    accepted[0]!.stream.answer(ok);
    await settled('it is answered', () => heard.head !== undefined);
  });

  test('do not blame the peer for the own process having stood still', async () => {
    const timers = new FakeTimers();
    const { edge } = join({ timers });
    await timers.pass(9000);
    timers.standStill(1000);
    // A ping is out, and its answer waits in the kernel.
    timers.standStill(3_600_000);
    await quiet();
    await timers.pass(9000);
    edge.open(get, new Heard());
    expect(edge.openStreams).toBe(1);
  });
});
