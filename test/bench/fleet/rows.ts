import { join } from 'node:path';
import type { Bench, Row } from '../bench.ts';
import { milliseconds, repeated, timed } from '../figures.ts';
import {
  type Asked,
  builtFunction,
  deployedEnvironment,
  firstAnswer,
  startFunction,
} from '../function-process.ts';
import { kubeconfigFile } from '../issuing/world.ts';
import { memoryOf } from '../process.ts';
import { startStandIns } from '../standins-process.ts';
import { apiServerCalls } from './api-server-calls.ts';
import { fillCluster } from './cluster.ts';

const CERTIFICATES = 10_000;
const TICKS = 4;
const MOST_SECONDS = 2;
const MOST_MIB = 256;

const TICK: Asked = { method: 'POST', path: '/', body: {} };

/** A tick that finds ten thousand certificates as they should be. */
export const reconcileRow: Row = {
  name: 'reconcile',
  what: `reconcile, nothing to do, ${CERTIFICATES} Ingresses and stored certificates, peak of ${TICKS} ticks`,
  reach: `${MOST_SECONDS} s, ${MOST_MIB} MiB`,
  needs: ['kube-apiserver', 'etcd'],
  measure: async (bench) => [await measured(bench)],
};

async function measured(bench: Bench) {
  const api = await bench.apiServer();
  await fillCluster(api, CERTIFICATES);
  const source = await builtFunction('reconcile', join(bench.folder, 'dist'));
  const standIns = await startStandIns({
    certificates: CERTIFICATES,
    kubeconfig: kubeconfigFile(api, bench.folder),
  });
  const of = await startFunction({
    name: 'reconcile',
    source,
    config: standIns.configs.reconcile,
  });
  try {
    await firstAnswer(of, { method: 'GET', path: '/health' });
    const before = await allCalls();
    const ticks = await repeated(TICKS, () => timed(() => firstAnswer(of, TICK)));
    const calls = difference(before, await allCalls());
    const mebibytes = memoryOf(of.running.child.pid).peak;
    requireKept(await firstAnswer(of, { ...TICK, path: '/plan' }));
    const environment = JSON.stringify(deployedEnvironment('reconcile'));
    const perTick = Object.entries(calls).map(([kind, count]) => `${count / TICKS} ${kind}`);
    return {
      what: `${reconcileRow.what}, environment ${environment}`,
      measured: `peak ${Math.max(...ticks).toFixed(2)} s, ${mebibytes.toFixed(1)} MiB; ${milliseconds(ticks)}; calls a tick: ${perTick.join(', ')}`,
      isReached: Math.max(...ticks) <= MOST_SECONDS && mebibytes <= MOST_MIB && areFew(calls),
      peers: '',
      samples: { ticks, mebibytes, calls, environment },
    };
  } finally {
    await of.running.stop();
    await standIns.close();
  }

  async function allCalls() {
    return { ...(await standIns.calls()), ...(await apiServerCalls(api)) };
  }
}

/** Throws when there was something to do. */
function requireKept(text: string): void {
  const { certificates, faults, refused } = JSON.parse(text) as {
    certificates: readonly { action: string; message: string }[];
    faults: readonly unknown[];
    refused: readonly unknown[];
  };
  const changed = certificates.filter(({ action }) => action !== 'keep');
  if (certificates.length === CERTIFICATES && changed.length + faults.length + refused.length === 0)
    return;
  throw new Error(
    `the plan has ${certificates.length} certificates, to be changed: ${JSON.stringify([changed.length, changed[0], faults[0], refused[0]])}`,
  );
}

type Calls = Readonly<Record<string, number>>;

const SECRET_READS = 'GET secrets';
const VERSION_READS = 'secret-manager GET secrets/CERTIFICATE/versions';

function areFew(calls: Calls): boolean {
  return (calls[SECRET_READS] ?? 0) <= 1000 * TICKS && (calls[VERSION_READS] ?? 0) <= 200 * TICKS;
}

/** What was called between the two, without what the API server asks itself. */
const difference = (before: Calls, after: Calls): Calls =>
  Object.fromEntries(
    Object.entries(after)
      .map(([kind, count]) => [kind, count - (before[kind] ?? 0)] as const)
      .filter(
        ([kind, count]) => count > 0 && /^secret-|^cloud-|^pubsub|ingresses|secrets/.test(kind),
      ),
  );
