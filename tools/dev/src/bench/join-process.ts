import { connectBus, createOperatorConfig } from '@postern/bus';
import { Secret, systemClock } from '@postern/core';
import { newKeyText } from '@postern/identity';
import { joinService, openJoinStore } from '@postern/join-svc';
import { startTelemetry } from '@postern/telemetry';
import type { Servers } from './servers.ts';

/** What a process of join-svc under measurement is told. */
export interface JoinProcessPlan extends Pick<Servers, 'postgresUrl' | 'natsUrl'> {
  readonly dataDir: string;
  readonly token: string;
  /** Where STS is, for joins by `iam`. */
  readonly stsEndpoint?: string | undefined;
}

/** join-svc in a process of its own, logging as it does. The bus asks nobody, but its credentials are signed. */
const { postgresUrl, natsUrl, dataDir, token, stsEndpoint } = JSON.parse(
  process.argv[2] ?? '{}',
) as JoinProcessPlan;

// Whoever started this is gone: nothing of ours is worth keeping.
process.once('disconnect', () => process.exit());

const clock = systemClock;
const scope = new AsyncDisposableStack();
const telemetry = scope.use(startTelemetry('join-svc', { level: 'info' }));
const store = scope.use(await openJoinStore(new Secret(postgresUrl), { telemetry, clock }));
const bus = scope.use(await connectBus({ servers: natsUrl, name: 'join-svc', telemetry }));
const service = scope.use(
  await joinService(
    { store, bus, telemetry, clock },
    {
      clusterName: 'bench',
      natsServers: [natsUrl],
      publicAddrs: ['127.0.0.1:3080'],
      serviceToken: new Secret(token),
      key: newKeyText(),
      dataDir,
      heartbeatIntervalMs: 30_000,
      adminIdentityFile: undefined,
      busAccountSeed: new Secret(createOperatorConfig().accountSeed),
      busServers: undefined,
      stsEndpoint,
      agentTtlMs: 86_400_000,
      userTtlMs: 43_200_000,
    },
  ),
);
const { url } = await service.listen({ host: '127.0.0.1', port: 0 });
process.send?.({ url, ca: service.identity.current().hostCa });
await new Promise((resolve) => process.once('SIGTERM', resolve));
await scope.disposeAsync();
// The channel to whoever started this would keep the process.
process.exit();
