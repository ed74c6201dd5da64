import { readFile } from 'node:fs/promises';
import { failure, messageOf } from '@postern/core';
import type { ProvingMethod } from './method.ts';

/** There is no token of a service account to join by. It may come later: the kubelet writes it. */
export const NoServiceAccountToken = failure(
  'unavailable',
  'agent.no_service_account_token',
  (path: string, why: string) =>
    `no service account token in ${path}: ${why}; run in a pod, or set KUBERNETES_TOKEN_PATH to its projected token`,
);

/** Where Kubernetes puts the token of a pod. */
const defaultPath = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** A pod shows the token of its service account. Read at each attempt, since the kubelet replaces it. */
export const kubernetesMethod: ProvingMethod = {
  name: 'kubernetes',
  hasChallenge: false,
  prove: async ({ env }) => {
    const path = env['KUBERNETES_TOKEN_PATH'] || defaultPath;
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      throw NoServiceAccountToken.from(error, path, messageOf(error));
    });
    const token = text.trim();
    if (token === '') throw NoServiceAccountToken(path, 'the file is empty');
    return { token };
  },
};
