import { recordingsLs, type Tool } from '@postern/cli';
import { tshForKubectl } from './for-kubectl.ts';
import { kubeLogin } from './kube-login.ts';
import { kubeLs } from './kube-ls.ts';
import { login } from './login.ts';
import { logout } from './logout.ts';
import { playCommand } from './play.ts';
import { status } from './status.ts';
import { version } from './version.ts';

/** The user's tool. One file per command, and one line here. */
export const tsh: Tool = {
  ...tshForKubectl,
  commands: [
    login,
    logout,
    status,
    kubeLs,
    kubeLogin,
    playCommand,
    recordingsLs,
    ...tshForKubectl.commands,
    version,
  ],
};
