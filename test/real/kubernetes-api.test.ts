import { describe } from 'vitest';
import { kubernetesApiContract } from '../contract/kubernetes-api.ts';
import { startKubeApiserver } from './parts/kube-apiserver.ts';

describe('kube-apiserver', () => kubernetesApiContract(startKubeApiserver));
