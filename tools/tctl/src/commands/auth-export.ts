import { resolve } from 'node:path';
import { command, formatOf, on, text, textOr } from '@postern/cli';
import { writePrivateFile } from '@postern/client';
import { failure } from '@postern/core';

const KeysStay = failure(
  'permission_denied',
  'tctl.keys_stay',
  () =>
    'private keys of authorities are sealed in the database of join-svc and are never given out: leave out --keys',
);

export const authExport = command({
  name: 'auth export',
  summary: 'Print the certificates of the authorities, or their pins',
  args: {},
  flags: {
    type: textOr(
      'host',
      '--type <type>',
      'host or tls-host (agents, services, edges), user or tls-user (people, bots)',
    ),
    fingerprint: on('--fingerprint', 'Print the pins instead: sha256:<hex> of each public key'),
    keys: on('--keys', 'Refused: private keys are never given out'),
    out: text('-o, --out <file>', 'Where to write it'),
    overwrite: on('--overwrite', 'Replace the file if it exists'),
  },
  async run(context, { flags }) {
    if (flags.keys) throw KeysStay();
    const type = formatOf(flags.type, ['host', 'tls-host', 'user', 'tls-user']);
    const { hostCa, userCa } = await (await context.api()).trust();
    const bundle = type.endsWith('host') ? hostCa : userCa;
    const content = flags.fingerprint ? await pinsOf(bundle) : bundle;
    if (flags.out === undefined) return context.terminal.write(content);
    writePrivateFile(resolve(context.cwd, flags.out), content, { overwrite: flags.overwrite });
    context.terminal.print(`The certificates have been written to ${flags.out}`);
  },
});

async function pinsOf(bundle: string): Promise<string> {
  const { caPin, splitPem } = await import('@postern/identity');
  return splitPem(bundle)
    .map((pem) => `${caPin(pem)}\n`)
    .join('');
}
