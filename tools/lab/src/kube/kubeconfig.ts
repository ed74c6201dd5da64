import { readFileSync, writeFileSync } from 'node:fs';
import type { KeyPairFiles } from './pki.ts';

/** Where a cluster is and who is asking. */
export interface KubeconfigOptions {
  readonly server: string;
  readonly caFile: string;
  readonly client: KeyPairFiles;
}

/** Writes a kubeconfig that carries its certificates inside, so that it can be copied anywhere. */
export function writeKubeconfig(file: string, { server, caFile, client }: KubeconfigOptions): string {
  const base64 = (path: string) => readFileSync(path).toString('base64');
  const text = `apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster:
    server: ${server}
    certificate-authority-data: ${base64(caFile)}
users:
- name: lab
  user:
    client-certificate-data: ${base64(client.cert)}
    client-key-data: ${base64(client.key)}
contexts:
- name: lab
  context:
    cluster: lab
    user: lab
current-context: lab
`;
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}
