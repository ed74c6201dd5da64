import { readSource, sourceFiles, workspacePackages, type WorkspacePackage } from './workspace.ts';

/** Which kinds of package a kind of package may depend on. Everything absent is forbidden. */
const mayDependOn: Readonly<Record<string, readonly string[]>> = {
  base: [],
  contract: ['base'],
  domain: ['base', 'contract', 'domain'],
  runtime: ['base', 'contract', 'domain', 'runtime'],
  adapter: ['base', 'contract', 'runtime'],
  client: ['base', 'contract', 'domain', 'client', 'runtime'],
  app: ['base', 'contract', 'domain', 'runtime', 'adapter'],
  tool: ['base', 'contract', 'domain', 'client', 'adapter'],
  // A composition root puts services together in one process; nothing depends on it.
  root: ['base', 'contract', 'domain', 'runtime', 'adapter', 'client', 'app'],
  dev: ['base', 'contract', 'domain', 'runtime', 'adapter', 'client', 'app', 'tool', 'root', 'dev'],
};

/** Runtime libraries that a command-line tool may use: the bus and the store are not among them. */
const toolRuntimes = new Set(['@postern/config']);

/** Every import across packages that the house plan forbids, one sentence each. */
export function boundaryViolations(packages = workspacePackages()): string[] {
  const byName = new Map(packages.map((pkg) => [pkg.name, pkg]));
  return packages.flatMap((pkg) => [
    ...untagged(pkg),
    ...sourceFiles(pkg.folder).flatMap((file) => inFile(file, pkg, byName)),
  ]);
}

function untagged(pkg: WorkspacePackage): string[] {
  return pkg.tag in mayDependOn ? [] : [`${pkg.folder}: package.json has no known nx tag (type:…)`];
}

function inFile(
  file: string,
  pkg: WorkspacePackage,
  byName: ReadonlyMap<string, WorkspacePackage>,
): string[] {
  const isTest = file.endsWith('.test.ts') || file.includes('/test/') || pkg.tag === 'dev';
  return importsOf(readSource(file)).flatMap((specifier) => {
    if (specifier.startsWith('.'))
      return leavesPackage(file, specifier, pkg) ? [`${file}: '${specifier}' leaves the package`] : [];
    const target = byName.get(specifier.split('/').slice(0, 2).join('/'));
    return target ? crossing(file, pkg, target, isTest) : [];
  });
}

function crossing(file: string, from: WorkspacePackage, to: WorkspacePackage, isTest: boolean): string[] {
  if (from === to) return [`${file}: imports its own package by name`];
  const problems: string[] = [];
  if (!from.dependencies.has(to.name))
    problems.push(`${file}: ${to.name} is not among the dependencies of ${from.folder}`);
  if (!isTest && !allowed(from, to))
    problems.push(`${file}: a ${from.tag} package must not depend on ${to.name} (${to.tag})`);
  return problems;
}

function allowed(from: WorkspacePackage, to: WorkspacePackage): boolean {
  const isTool = from.tag === 'tool' || from.tag === 'client';
  if (isTool && to.tag === 'runtime') return toolRuntimes.has(to.name);
  return mayDependOn[from.tag]?.includes(to.tag) ?? false;
}

function leavesPackage(file: string, specifier: string, pkg: WorkspacePackage): boolean {
  const parts = file.split('/').slice(0, -1);
  for (const step of specifier.split('/')) {
    if (step === '..') parts.pop();
    else if (step !== '.') parts.push(step);
  }
  return !`${parts.join('/')}/`.startsWith(`${pkg.folder}/`);
}

/** The module specifiers of a source text: static imports, re-exports, dynamic imports of a literal. */
export function importsOf(source: string): string[] {
  const pattern = /(?:\bfrom\s+|\bimport\s+|\bimport\(\s*)'([^']+)'/g;
  return [...source.matchAll(pattern)].map((match) => match[1]!);
}

if (import.meta.main) {
  const problems = boundaryViolations();
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
