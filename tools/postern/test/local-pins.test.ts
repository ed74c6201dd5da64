import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '@postern/core';
import { caPin, createAuthority } from '@postern/identity';
import { temporaryFolder } from '@postern/testkit';
import { describe, expect, test } from 'vitest';
import { localPins } from '../src/configure/local-pins.ts';

describe('the pin of a control plane on this machine', () => {
  test('is known for its own edge and for no other proxy', async () => {
    const dataDir = temporaryFolder();
    const authority = await createAuthority({ use: 'host', clusterName: 'postern', clock: systemClock });
    writeFileSync(join(dataDir, 'ca.pem'), authority.certificate);
    writeFileSync(join(dataDir, 'proxy-addr'), '127.0.0.1:3080\n');
    const place = { env: { POSTERN_DATA_DIR: dataDir }, cwd: '/' };
    expect(await localPins('127.0.0.1:3080', place)).toEqual([caPin(authority.certificate)]);
    expect(await localPins('proxy.test:443', place)).toEqual([]);
  });

  test('is unknown without a data directory', async () => {
    const place = { env: { POSTERN_DATA_DIR: join(temporaryFolder(), 'none') }, cwd: '/' };
    expect(await localPins('127.0.0.1:3080', place)).toEqual([]);
  });
});
