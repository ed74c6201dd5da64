import { readConfig } from '@postern/config';
import { untilSignalled } from '@postern/core';
import { inventoryConfig } from './config.ts';
import { startInventorySvc } from './start.ts';

await using service = await startInventorySvc(readConfig(inventoryConfig, process.env));
const signal = await Promise.race([untilSignalled(), service.ended]);
service.log.info('inventory-svc is stopping', { signal });
