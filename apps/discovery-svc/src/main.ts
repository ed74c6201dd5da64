import { readConfig } from '@postern/config';
import { untilSignalled } from '@postern/core';
import { discoveryConfig } from './config.ts';
import { startDiscoverySvc } from './start.ts';

await using service = await startDiscoverySvc(readConfig(discoveryConfig, process.env));
const signal = await Promise.race([untilSignalled(), service.ended]);
service.log.info('discovery-svc is stopping', { signal });
