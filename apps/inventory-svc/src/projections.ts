import type { ServiceProjections } from '@postern/projections';
import { kubeEndingList } from './audit/kube-ending-list.ts';
import { kubeRequestList } from './audit/kube-request-list.ts';
import type { InventoryDb } from './database.ts';

/** Every projection of this service. */
export const inventoryProjections: ServiceProjections<InventoryDb> = {
  withAppend: [kubeRequestList, kubeEndingList],
  behindBus: [],
};
