import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type SeparateStack, until } from '@postern/testkit';

/** Creates resources, or writes them over, as the admin. */
export async function createResources(
  stack: SeparateStack,
  folder: string,
  documents: readonly object[],
): Promise<void> {
  const file = join(folder, 'documents.yaml');
  writeFileSync(file, documents.map((document) => JSON.stringify(document)).join('\n---\n'));
  await stack.admin.must('tctl', ['create', '-f', file]);
}

/** A cluster: what agents find it by, and the file that tells how it is reached. */
export interface NewCluster {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly kubeconfig: string;
}

/** Registers a cluster and waits until somebody serves it. */
export async function createCluster(
  stack: SeparateStack,
  folder: string,
  { name, labels, kubeconfig }: NewCluster,
): Promise<void> {
  const spec = { kubeconfig: readFileSync(kubeconfig).toString('base64') };
  await createResources(stack, folder, [
    { kind: 'kube_cluster', version: 'v3', metadata: { name, labels }, spec },
  ]);
  await until(`cluster ${name} is served`, async () =>
    (await stack.admin.must('tsh', ['kube', 'ls'])).split(/\s+/).includes(name),
  );
}
