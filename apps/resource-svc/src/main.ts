import { readConfig } from '@postern/config';
import { untilSignalled } from '@postern/core';
import { resourceConfig } from './config.ts';
import { startResourceSvc } from './start.ts';

await using service = await startResourceSvc(readConfig(resourceConfig, process.env));
const signal = await Promise.race([untilSignalled(), service.ended]);
service.log.info('resource-svc is stopping', { signal });
