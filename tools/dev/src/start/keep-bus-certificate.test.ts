import { expect, test, vi } from 'vitest';
import { keepBusCertificate } from './keep-bus-certificate.ts';

test('the bus gets another certificate at two thirds of the life of its own, again and again, also after a failure', async () => {
  vi.useFakeTimers();
  try {
    const shown: string[] = [];
    const failures: unknown[] = [];
    let made = 0;
    const renewTls = async () => {
      made += 1;
      if (made === 2) throw new Error('no entropy');
      return { cert: `certificate ${made}`, key: 'key' };
    };
    using kept = keepBusCertificate({
      nats: { replaceTls: ({ cert }) => void shown.push(cert) },
      renewTls,
      lifeMs: 300_000,
      onFailed: (error) => failures.push(error),
    });
    await vi.advanceTimersByTimeAsync(190_000);
    expect(shown).toEqual([]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(shown).toEqual(['certificate 1']);
    await vi.advanceTimersByTimeAsync(240_000);
    expect([shown, failures.length]).toEqual([['certificate 1', 'certificate 3'], 1]);
    kept[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(900_000);
    expect(shown).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});
