import { recordingsLs, type Tool } from '@postern/cli';
import { auditLs } from './audit-ls.ts';
import { authExport } from './auth-export.ts';
import { authRotate } from './auth-rotate.ts';
import { authSign } from './auth-sign.ts';
import { create } from './create.ts';
import { discoveryAwsAuth } from './discovery-aws-auth.ts';
import { edit } from './edit.ts';
import { eventsParkedDrop } from './events-parked-drop.ts';
import { eventsParkedLs } from './events-parked-ls.ts';
import { eventsParkedRetry } from './events-parked-retry.ts';
import { eventsTail } from './events-tail.ts';
import { get } from './get.ts';
import { history } from './history.ts';
import { inventoryLs } from './inventory-ls.ts';
import { inventoryPing } from './inventory-ping.ts';
import { inventoryRevoke } from './inventory-revoke.ts';
import { inventoryShow } from './inventory-show.ts';
import { inventoryStatus } from './inventory-status.ts';
import { kubeLs } from './kube-ls.ts';
import { lock } from './lock.ts';
import { restore } from './restore.ts';
import { rm } from './rm.ts';
import { status } from './status.ts';
import { tokensAdd } from './tokens-add.ts';
import { tokensLs } from './tokens-ls.ts';
import { tokensRm } from './tokens-rm.ts';
import { update } from './update.ts';
import { usersAdd } from './users-add.ts';
import { usersLs } from './users-ls.ts';
import { usersRm } from './users-rm.ts';
import { usersUpdate } from './users-update.ts';
import { version } from './version.ts';
import { why } from './why.ts';

/** The admin tool. One file per command, and one line here. */
export const tctl: Tool = {
  name: 'tctl',
  summary: 'Manage resources, users, tokens and agents of a cluster',
  hasIdentity: true,
  groups: {
    audit: 'See what was asked of clusters',
    auth: 'Make identity files and kubeconfigs, export and rotate the authorities',
    discovery: 'Let the Kubernetes Service into clusters of EKS',
    events: 'See what happens, and what could not be handled',
    parked: 'List, retry or drop the messages that could not be handled',
    inventory: 'See which agents have joined, and revoke them',
    kube: 'See which Kubernetes clusters are served',
    recordings: 'See the recordings of sessions',
    tokens: 'Manage join tokens',
    users: 'Manage users',
  },
  commands: [
    create,
    get,
    edit,
    rm,
    update,
    history,
    restore,
    tokensAdd,
    tokensLs,
    tokensRm,
    usersAdd,
    usersLs,
    usersUpdate,
    usersRm,
    lock,
    status,
    kubeLs,
    inventoryStatus,
    inventoryLs,
    inventoryShow,
    inventoryPing,
    inventoryRevoke,
    authSign,
    authRotate,
    authExport,
    discoveryAwsAuth,
    auditLs,
    recordingsLs,
    why,
    eventsTail,
    eventsParkedLs,
    eventsParkedRetry,
    eventsParkedDrop,
    version,
  ],
};
