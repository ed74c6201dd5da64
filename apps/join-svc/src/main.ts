import { readConfig } from '@postern/config';
import { untilSignalled } from '@postern/core';
import { joinConfig } from './config.ts';
import { startJoinSvc } from './start.ts';

await using service = await startJoinSvc(readConfig(joinConfig, process.env));
service.log.info('join-svc is stopping', { signal: await untilSignalled() });
