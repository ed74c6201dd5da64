import type { ServiceProjections } from '@postern/projections';
import type { ResourceDb } from './database.ts';
import { changeList } from './history/change-list.ts';
import { resourceList } from './resources/resource-list.ts';

/** Every projection of this service. */
export const resourceProjections: ServiceProjections<ResourceDb> = {
  withAppend: [resourceList],
  behindBus: [changeList],
};
