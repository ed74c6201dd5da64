import type { Tool } from '@postern/cli';
import { authSign } from './auth-sign.ts';
import { create } from './create.ts';
import { edit } from './edit.ts';
import { get } from './get.ts';
import { inventoryLs } from './inventory-ls.ts';
import { inventoryStatus } from './inventory-status.ts';
import { kubeLs } from './kube-ls.ts';
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

/** The admin tool. One file per command, and one line here. */
export const tctl: Tool = {
  name: 'tctl',
  summary: 'Manage resources, users, tokens and agents of a cluster',
  hasIdentity: true,
  groups: {
    auth: 'Make identity files and kubeconfigs',
    inventory: 'See which agents have joined',
    kube: 'See which Kubernetes clusters are served',
    tokens: 'Manage join tokens',
    users: 'Manage users',
  },
  commands: [
    create,
    get,
    edit,
    rm,
    update,
    tokensAdd,
    tokensLs,
    tokensRm,
    usersAdd,
    usersLs,
    usersUpdate,
    usersRm,
    status,
    kubeLs,
    inventoryStatus,
    inventoryLs,
    authSign,
    version,
  ],
};
