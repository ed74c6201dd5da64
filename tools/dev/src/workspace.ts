import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** A workspace package as the checks see it. */
export interface WorkspacePackage {
  readonly name: string;
  /** Relative to the root, for example `libs/core`. */
  readonly folder: string;
  readonly tag: string;
  readonly dependencies: ReadonlySet<string>;
}

interface Manifest {
  readonly name: string;
  readonly nx?: { readonly tags?: readonly string[] };
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Every workspace package of the repository. */
export function workspacePackages(): WorkspacePackage[] {
  const folders = ['apps', 'libs', 'tools'].flatMap((group) =>
    readdirSync(join(root, group), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${group}/${entry.name}`),
  );
  return [...folders, 'e2e'].flatMap(readPackage);
}

function readPackage(folder: string): WorkspacePackage[] {
  try {
    const manifest = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;
    const tag = manifest.nx?.tags?.find((text) => text.startsWith('type:'))?.slice('type:'.length) ?? '';
    const names = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
    return [{ name: manifest.name, folder, tag, dependencies: new Set(Object.keys(names)) }];
  } catch {
    return [];
  }
}

/** The `.ts` files of a package, relative to the root. */
export function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'),
    )
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
}

/** The text of a file, by its path relative to the root. */
export function readSource(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}
