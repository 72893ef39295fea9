import { describe } from 'vitest';
import { systemClock } from '../../local/clock.ts';
import { startKubernetes } from '../../local/kubernetes/kubernetes.ts';
import { memoryStore } from '../../local/state.ts';
import { clusterContract } from './cluster.ts';

describe('a cluster, on the stand-in', () => {
  clusterContract(async () => {
    const users: Readonly<Record<string, string>> = { admin: 'admin', stranger: 'stranger' };
    const api = await startKubernetes({
      store: memoryStore(),
      clock: systemClock,
      authenticate: (token) => users[token],
      authorize: ({ user }) => user === 'admin',
    });
    return { ...api, token: 'admin', strangerToken: 'stranger' };
  });
});
