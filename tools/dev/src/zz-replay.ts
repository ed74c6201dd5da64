import { mkdirSync } from 'node:fs';
const { benchReplay } = await import('/work/main/tools/dev/src/bench/replay.ts');
const { printTable } = await import('/work/main/tools/dev/src/bench/table.ts');
const folder = `/tmp/benchr-${process.pid}`; mkdirSync(folder);
const scope = new AsyncDisposableStack();
try { printTable('replay', await benchReplay(folder, scope, { events: Number(process.argv[2]), resources: Number(process.argv[3]) })); }
finally { await scope.disposeAsync(); }
