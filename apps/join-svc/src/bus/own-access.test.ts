import { describe, expect, test } from 'vitest';
import { ownId } from './own-access.ts';

describe('the id of a join-svc', () => {
  const at = (port: number, host = '0.0.0.0') => ({ host, port });

  test('is the same at each start', () => {
    expect(ownId('host-1', at(3443))).toBe(ownId('host-1', at(3443)));
    expect(ownId('host-1', at(3443))).toMatch(/^join-svc-[0-9a-f]{8}-[0-9a-f-]{27}$/);
  });

  test('is another on another host or at another address', () => {
    const ids = [
      ownId('host-1', at(3443)),
      ownId('host-2', at(3443)),
      ownId('host-1', at(3444)),
      ownId('host-1', at(3443, '127.0.0.1')),
    ];
    expect(new Set(ids).size).toBe(4);
  });

  test('is a new one where the system chooses the port', () => {
    expect(ownId('host-1', at(0))).not.toBe(ownId('host-1', at(0)));
  });
});
