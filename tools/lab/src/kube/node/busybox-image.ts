import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256Hex } from '@postern/core';
import { runCommand } from '../../process/run-command.ts';

/** The image that pods of a lab use, with `imagePullPolicy: Never`: nothing is pulled from anywhere. */
export const busyboxImage = 'postern.test/busybox:1';

/** The image of a pod's sandbox. */
export const pauseImage = 'postern.test/pause:1';

const images = [
  { tag: busyboxImage, command: ['sh'] },
  { tag: pauseImage, command: ['sleep', '2147483647'] },
];

/** Writes a docker-archive with both images, made by hand from one static busybox. */
export async function writeImageArchive(dir: string, busybox: string): Promise<string> {
  rmSync(dir, { recursive: true, force: true });
  const rootfs = join(dir, 'rootfs');
  await makeRootfs(rootfs, busybox);
  await runCommand('tar', ['-cf', join(dir, 'layer.tar'), '--owner=0', '--group=0', '-C', rootfs, '.']);
  const layer = sha256Hex(readFileSync(join(dir, 'layer.tar')));
  const entries = images.map(({ tag, command }) => {
    const config = JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Env: ['PATH=/bin'], Cmd: command },
      rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
    });
    const name = `${sha256Hex(config)}.json`;
    writeFileSync(join(dir, name), config);
    return { Config: name, RepoTags: [tag], Layers: ['layer.tar'] };
  });
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify(entries));
  const archive = join(dir, 'images.tar');
  const members = ['manifest.json', 'layer.tar', ...entries.map((entry) => entry.Config)];
  await runCommand('tar', ['-cf', archive, '-C', dir, ...members]);
  return archive;
}

async function makeRootfs(rootfs: string, busybox: string): Promise<void> {
  for (const folder of ['bin', 'etc', 'root', 'var', 'home'])
    mkdirSync(join(rootfs, folder), { recursive: true });
  mkdirSync(join(rootfs, 'tmp'), { mode: 0o1777 });
  copyFileSync(busybox, join(rootfs, 'bin', 'busybox'));
  const applets = await runCommand(busybox, ['--list']);
  for (const applet of applets.split('\n').filter((name) => name && name !== 'busybox')) {
    symlinkSync('busybox', join(rootfs, 'bin', applet));
  }
  writeFileSync(
    join(rootfs, 'etc', 'passwd'),
    'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n',
  );
  writeFileSync(join(rootfs, 'etc', 'group'), 'root:x:0:\nnogroup:x:65534:\n');
}
