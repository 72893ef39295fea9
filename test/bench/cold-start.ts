import { join } from 'node:path';
import { type FunctionName, functionNames } from '../../functions/build/bundle.ts';
import type { Row } from './bench.ts';
import { median, milliseconds, repeated } from './figures.ts';
import { type Asked, builtFunction, firstAnswer, startFunction } from './function-process.ts';
import { type StandIns, startStandIns } from './standins-process.ts';

const RUNS = 15;
const MOST_SECONDS = 0.5;
const ONE_CORE = ['taskset', '-c', '0'];

/** How long somebody waits who wakes a function that has no instance. */
export const coldStartRow: Row = {
  name: 'cold-start',
  what: 'process start to the first answered request, bundle, 1 core',
  reach: `${MOST_SECONDS * 1000} ms`,
  needs: ['taskset'],
  async measure({ folder }) {
    const standIns = await startStandIns({ certificates: 0, kubeconfig: undefined });
    const lines: Awaited<ReturnType<typeof coldStart>>[] = [];
    try {
      for (const name of functionNames) {
        const source = await builtFunction(name, join(folder, 'dist'));
        lines.push(await coldStart(name, source, standIns));
      }
      return lines;
    } finally {
      await standIns.close();
    }
  },
};

const HEALTH: Asked = { method: 'GET', path: '/health' };

async function coldStart(name: FunctionName, source: string, standIns: StandIns) {
  const config = standIns.configs[name];
  const run = async (asked: Asked) => {
    const start = performance.now();
    const of = await startFunction({ name, source, config, prefix: ONE_CORE });
    try {
      await firstAnswer(of, asked);
      return (performance.now() - start) / 1000;
    } finally {
      await of.running.stop();
    }
  };
  const { what, asked } = work(name, standIns);
  await run(asked);
  const figures = await repeated(RUNS, () => run(asked));
  const health = await repeated(RUNS, () => run(HEALTH));
  return {
    what: `${name}: ${coldStartRow.what}: ${what}`,
    measured: `${milliseconds(figures)}; GET /health ${milliseconds(health)}`,
    isReached: median(figures) <= MOST_SECONDS,
    peers: '',
    samples: { figures, health },
  };
}

type Work = Readonly<{ what: string; asked: Asked }>;

/** A request that makes the function open what its work needs: a health check would load next to nothing. */
function work(name: FunctionName, { identityToken }: StandIns): Work {
  switch (name) {
    case 'reconcile':
      return {
        what: 'a tick over an empty cluster',
        asked: { method: 'POST', path: '/', body: {} },
      };
    case 'issue':
      return {
        what: 'a task whose certificate is gone',
        asked: { method: 'POST', path: '/', body: TASK },
      };
    case 'sync':
      return {
        what: 'a message about a certificate that is gone',
        asked: { method: 'POST', path: '/', body: MESSAGE },
      };
    case 'api':
      return {
        what: 'GET /v1/certificates',
        asked: {
          method: 'GET',
          path: '/v1/certificates',
          headers: { authorization: `Bearer ${identityToken}` },
        },
      };
  }
}

const GONE = 'gone-test-00000000000000000000000000000000';
const TASK = {
  certificate: GONE,
  identity: { names: ['gone.test'], issuer: 'ca', keyType: 'ec-p256' },
  reason: 'missing',
  replaces: 0,
  failures: 0,
};
// https://cloud.google.com/secret-manager/docs/event-notifications
const MESSAGE = {
  message: {
    attributes: {
      eventType: 'SECRET_VERSION_ADD',
      secretId: `projects/bench/secrets/certherd-cert-${GONE}`,
      versionId: `projects/bench/secrets/certherd-cert-${GONE}/versions/1`,
      dataFormat: 'JSON_API_V1',
    },
  },
};
