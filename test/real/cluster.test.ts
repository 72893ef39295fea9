import { describe } from 'vitest';
import { clusterContract } from '../contract/cluster.ts';
import { startKubeApiserver } from './parts/kube-apiserver.ts';

describe('a cluster, on kube-apiserver', () => clusterContract(startKubeApiserver));
