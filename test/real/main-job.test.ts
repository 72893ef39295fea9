import { X509Certificate } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { loopbackIdentity } from '../../local/tls.ts';
import { type Folder, freePort, temporaryFolder } from './parts/folder.ts';
import { type Pebble, startPebble } from './parts/pebble.ts';
import { ingress, kubeconfig, type RealCluster, startRealCluster } from './parts/real-cluster.ts';
import { type Printed, runOnce, start, startAndStay } from './parts/start.ts';

let cluster: RealCluster;
let folder: Folder;

beforeAll(async () => {
  cluster = await startRealCluster();
  await cluster.create('/api/v1/namespaces', { metadata: { name: 'shop' } });
});
afterAll(() => cluster?.close());

beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(async () => {
  await cluster.remove('/apis/networking.k8s.io/v1/namespaces/shop/ingresses');
  await cluster.remove('/api/v1/namespaces/shop/secrets');
  folder.remove();
});

const INGRESSES = '/apis/networking.k8s.io/v1/namespaces/shop/ingresses';
const APEX_AND_WILDCARD = ['shop.test', '*.shop.test'];

/** Two clusters: `prod` is the real API server, `edge` an embedded one. */
const CONFIG = {
  project: 'real',
  issuers: {
    letsencrypt: { directory: 'https://acme.example/directory', contact: 'ops@example.org' },
  },
  clusters: [
    {
      name: 'prod',
      ingressClasses: ['nginx'],
      allow: [{ namespaces: ['*'], names: ['shop.test'], wildcards: true }],
    },
    {
      name: 'edge',
      kubeconfigSecret: 'kubeconfig-edge',
      ingressClasses: ['nginx'],
      allow: [{ namespaces: ['edge'], names: ['edge.test'], wildcards: true }],
    },
  ],
  wildcards: ['edge.test'],
};
