import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The machine's own Debian sources as one deb822 text, each with its source packages. Third parties' entries are left out:
 * few of them have source packages, and one that fails would fail the whole update.
 */
export function debianSources(codename: string, root = '/etc/apt'): string {
  const stanzas = listFiles(root).flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    return file.endsWith('.sources') ? readStanzas(text) : readLines(text);
  });
  const suites = new Set([codename, `${codename}-updates`, `${codename}-security`, `${codename}/updates`]);
  const ours = stanzas.filter(
    (stanza) =>
      words(stanza['Components']).includes('main') &&
      words(stanza['Types']).includes('deb') &&
      stanza['Enabled'] !== 'no' &&
      words(stanza['Suites']).every((suite) => suites.has(suite)),
  );
  return ours.map((stanza) => writeStanza({ ...stanza, Types: 'deb deb-src' })).join('\n');
}

type Stanza = Readonly<Record<string, string>>;

function listFiles(root: string): string[] {
  const parts = join(root, 'sources.list.d');
  const inParts = existsSync(parts) ? readdirSync(parts).map((name) => join(parts, name)) : [];
  const files = [join(root, 'sources.list'), ...inParts];
  return files.filter((file) => /\.(list|sources)$/.test(file) && existsSync(file));
}

function readStanzas(text: string): Stanza[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n\s*\n/).map((block) => {
    // A line that begins with a space continues the field before it (an inline key is such a field).
    const fields = block
      .split(/\n(?=\S)/)
      .map((field) => field.trim())
      .filter((field) => field.includes(':'));
    return Object.fromEntries(
      fields.map((field) => [field.slice(0, field.indexOf(':')), field.slice(field.indexOf(':') + 1).trim()]),
    );
  });
}

function readLines(text: string): Stanza[] {
  return text.split('\n').flatMap((line) => {
    const match =
      /^deb\s+(?:\[(?<options>[^\]]*)\]\s+)?(?<uri>\S+)\s+(?<suite>\S+)\s+(?<components>[^#]+)/.exec(
        line.trim(),
      );
    if (!match?.groups) return [];
    const { options = '', uri = '', suite = '', components = '' } = match.groups;
    const signedBy = /signed-by=(\S+)/.exec(options)?.[1];
    const stanza = { Types: 'deb', URIs: uri, Suites: suite, Components: components.trim() };
    return [signedBy ? { ...stanza, 'Signed-By': signedBy } : stanza];
  });
}

function writeStanza(stanza: Stanza): string {
  return `${Object.entries(stanza)
    .map(([field, value]) => `${field}: ${value}`)
    .join('\n')}\n`;
}

function words(text: string | undefined): string[] {
  return text?.split(/\s+/).filter(Boolean) ?? [];
}
