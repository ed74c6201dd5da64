import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { authorizationPage } from './docs/authorization-page.ts';
import { errorsPage } from './docs/errors-page.ts';
import { eventsPage } from './docs/events-page.ts';
import { root } from './workspace.ts';

const pages: Readonly<Record<string, () => string | Promise<string>>> = {
  'docs/events.md': eventsPage,
  'docs/errors.md': errorsPage,
  'docs/authorization.md': authorizationPage,
};

const checkOnly = process.argv.includes('--check');
let stale = 0;
for (const [path, page] of Object.entries(pages)) {
  const file = join(root, path);
  const text = await page();
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  stale += 1;
  if (checkOnly) console.error(`${path} is stale: run npm run docs`);
  else writeFileSync(file, text);
}
process.exitCode = checkOnly && stale > 0 ? 1 : 0;
