import { readConfig } from '@postern/config';
import { untilSignalled } from '@postern/core';
import { kubeProxyConfig } from './config.ts';
import { startKubeProxy } from './start.ts';

await using kubeProxy = await startKubeProxy(readConfig(kubeProxyConfig, process.env));
const signal = await Promise.race([untilSignalled(), kubeProxy.ended]);
kubeProxy.log.info('kube-proxy is stopping', { signal });
