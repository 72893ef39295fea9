import { describe } from 'vitest';
import { clusterContract } from '../contract/cluster.ts';
import { startKubeApiserver } from './parts/kube-apiserver.ts';

describe('a cluster, on kube-apiserver', () => {
  clusterContract(async () => {
    const { readOnlyToken: strangerToken, ...api } = await startKubeApiserver();
    return { ...api, strangerToken };
  });
});
