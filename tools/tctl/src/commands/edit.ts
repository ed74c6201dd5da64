import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CliContext, command, readTextFile, required, yamlText } from '@postern/cli';
import type { ResourceDocument } from '@postern/client';
import { failure, isPlainObject } from '@postern/core';
import { resourceWords } from '../resources/kind-words.ts';
import { orNotFound } from '../resources/not-found.ts';
import { parseNamed } from '../resources/reference.ts';

const EditorFailed = failure(
  'failed_precondition',
  'tctl.editor_failed',
  (editor: string, why: string) => `the editor ${JSON.stringify(editor)} ${why}: nothing was changed`,
);

const IdentityOfResourceChanged = failure(
  'invalid_argument',
  'tctl.edited_into_another',
  () => 'kind and metadata.name cannot be changed by editing: nothing was changed',
);

export const edit = command({
  name: 'edit',
  summary: 'Change a resource in your editor ($TELEPORT_EDITOR, $VISUAL, $EDITOR, vi)',
  args: { ref: required('type/name') },
  flags: {},
  async run(context, { args }) {
    const { kind, name } = await parseNamed(args.ref);
    const api = await context.api();
    const before = await orNotFound({ kind, name }, api.resources.get(kind, name));
    const original = await yamlText([before]);
    const edited = await editedText(context, original);
    if (edited === original) return context.terminal.print('edit canceled, no changes made');
    const { revision } = before.metadata;
    await api.resources.put(
      await sameResource(edited, { kind, name }),
      revision === undefined ? {} : { revision },
    );
    context.terminal.print(`${resourceWords(kind, name)} has been updated`);
  },
});

/** The text after the editor was closed. It may hold secrets, so it lies in a folder of its own, for the owner only. */
async function editedText(context: CliContext, original: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'tctl-edit-'));
  try {
    const file = join(folder, 'resource.yaml');
    writeFileSync(file, original, { flag: 'wx', mode: 0o600 });
    await runEditor(editorOf(context), file);
    return readTextFile(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function editorOf({ env }: CliContext): string {
  return env['TELEPORT_EDITOR'] || env['VISUAL'] || env['EDITOR'] || 'vi';
}

/** The variable may hold arguments (`code --wait`). */
function runEditor(editor: string, file: string): Promise<void> {
  const [program, ...args] = editor.split(/\s+/).filter((word) => word !== '');
  return new Promise((resolve, reject) => {
    const child = spawn(program ?? 'vi', [...args, file], { stdio: 'inherit' });
    child.on('error', (error) => reject(EditorFailed.from(error, editor, 'could not be started')));
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(EditorFailed(editor, `ended with code ${code}`)),
    );
  });
}

async function sameResource(
  text: string,
  expected: { kind: string; name: string },
): Promise<ResourceDocument> {
  const { kindNamed, readDocuments } = await import('@postern/contracts');
  const [document, ...others] = readDocuments(text);
  const metadata = isPlainObject(document) && isPlainObject(document['metadata']) ? document['metadata'] : {};
  const kind = isPlainObject(document) ? kindNamed(String(document['kind']))?.kind : undefined;
  if (others.length > 0 || kind !== expected.kind || metadata['name'] !== expected.name)
    throw IdentityOfResourceChanged();
  return { ...(document as object), kind } as ResourceDocument;
}
