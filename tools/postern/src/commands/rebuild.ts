import { command, list, requiredText } from '@postern/cli';
import { common, readConfig } from '@postern/config';
import { failure } from '@postern/core';
import type { Progress } from '@postern/projections';

const UnknownService = failure(
  'invalid_argument',
  'postern.unknown_service',
  (name: string, known: readonly string[]) =>
    `no service ${JSON.stringify(name)} has rows to make again: there are ${known.join(', ')}`,
);

const RebuildStopped = failure(
  'unavailable',
  'postern.rebuild_stopped',
  () => 'the rebuild was stopped: the rows are what they were',
);

export const rebuild = command({
  name: 'rebuild',
  summary: 'Make the rows of projections again from events, in the database of POSTERN_PG_URL',
  args: {},
  flags: {
    service: requiredText('--service <name>', 'Whose: resource or inventory; join has none'),
    projection: list('--projection <name>', 'Only this one'),
  },
  async run({ terminal, env, stopSignal }, { flags }) {
    const [{ rebuildableServices }, { ProgressLines }, { silentTelemetry }] = await Promise.all([
      import('../rebuild/rebuildable-services.ts'),
      import('../rebuild/progress-lines.ts'),
      import('@postern/telemetry'),
    ]);
    const named = flags.service.replace(/-svc$/, '');
    const service = rebuildableServices.find(({ name }) => name === named);
    if (!service)
      throw UnknownService(
        flags.service,
        rebuildableServices.map(({ name }) => name),
      );
    const { postgresUrl } = readConfig({ postgresUrl: common.postgresUrl }, env);
    const lines = new ProgressLines((line) => terminal.note(line));
    const signal = stopSignal();
    const request = { onProgress: (progress: Progress) => lines.add(progress), signal };
    const rebuilding = service.rebuild(postgresUrl, silentTelemetry('postern'), {
      ...request,
      ...(flags.projection ? { names: flags.projection } : {}),
    });
    await rebuilding.catch((error: unknown) => {
      throw signal.aborted ? RebuildStopped.from(error) : error;
    });
    const rebuilt = flags.projection ?? service.projections;
    terminal.print(
      rebuilt.length === 0 ? `${service.name} has no projection.` : `Rebuilt: ${rebuilt.join(', ')}.`,
    );
  },
});
