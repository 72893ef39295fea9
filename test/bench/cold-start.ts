import { join } from 'node:path';
import { type FunctionName, functionNames } from '../../functions/build/bundle.ts';
import type { Row } from './bench.ts';
import { inTurn, median, milliseconds, repeated } from './figures.ts';
import { fleetMember } from './fleet/certificate.ts';
import { type Asked, firstAnswer, startFunction, unpackedFunction } from './function-process.ts';
import { memoryOf } from './process.ts';
import { type StandIns, startStandIns } from './standins-process.ts';

const RUNS = 15;
const MOST_SECONDS: Readonly<Record<FunctionName, number>> = {
  reconcile: 0.6,
  issue: 0.6,
  sync: 0.6,
  api: 0.35,
};
const ONE_CORE = ['taskset', '-c', '0'];

/** How long somebody waits who wakes a function that has no instance. */
export const coldStartRow: Row = {
  name: 'cold-start',
  what: 'process start to the first real answer, from the zip, 1 core',
  reach: '',
  needs: ['taskset'],
  measure: async ({ folder }) =>
    ofEach(folder, async (one) => {
      await firstAnswered(one);
      const figures = await repeated(RUNS, async () => (await firstAnswered(one)).seconds);
      const most = MOST_SECONDS[one.name];
      return {
        what: `${one.name}: ${coldStartRow.what}: ${one.work.what}`,
        reach: `${most * 1000} ms`,
        measured: milliseconds(figures),
        isReached: median(figures) <= most,
        peers: '',
        samples: { figures },
      };
    }),
};

const MEMORY_RUNS = 5;
const MOST_MIB = 130;

/** What an instance holds once it has answered for the first time. */
export const memoryRow: Row = {
  name: 'memory',
  what: 'resident memory after the first real answer, 1 core',
  reach: `${MOST_MIB} MiB`,
  needs: ['taskset'],
  measure: async ({ folder }) =>
    ofEach(folder, async (one) => {
      const figures = await repeated(MEMORY_RUNS, async () => (await firstAnswered(one)).memory);
      const [resident, peak] = [
        median(figures.map((figure) => figure.resident)),
        median(figures.map((figure) => figure.peak)),
      ];
      return {
        what: `${one.name}: ${memoryRow.what}`,
        measured: `${resident.toFixed(1)} MiB, at its peak ${peak.toFixed(1)} MiB, medians of ${MEMORY_RUNS}`,
        isReached: peak <= MOST_MIB,
        peers: '',
        samples: { figures },
      };
    }),
};

type One = Readonly<{ name: FunctionName; source: string; config: string; work: Work }>;

/** A line for each function. reconcile finds nothing at all, the others one certificate that is issued and delivered. */
async function ofEach<T>(folder: string, measure: (one: One) => Promise<T>): Promise<readonly T[]> {
  const empty = await startStandIns({ certificates: 0, kubeconfig: undefined });
  const good = await startStandIns({ certificates: 0, kubeconfig: undefined, issued: true });
  try {
    return await inTurn(functionNames, async (name) => {
      const standIns = name === 'reconcile' ? empty : good;
      const source = await unpackedFunction(name, join(folder, 'unpacked'));
      return measure({
        ...{ name, source, config: standIns.configs[name] },
        work: workOf(name, standIns),
      });
    });
  } finally {
    await good.close();
    await empty.close();
  }
}

async function firstAnswered({ name, source, config, work }: One) {
  const start = performance.now();
  const of = await startFunction({ name, source, config, prefix: ONE_CORE });
  try {
    const answer = await firstAnswer(of, work.asked);
    const seconds = (performance.now() - start) / 1000;
    if (!answer.includes(work.said)) throw new Error(`${name} says ${answer}, not ${work.said}`);
    return { seconds, memory: memoryOf(of.running.child.pid) };
  } finally {
    await of.running.stop();
  }
}

/** `said` is in the answer of a function that has really done it. */
type Work = Readonly<{ what: string; asked: Asked; said: string }>;

const post = (body: unknown): Asked => ({ method: 'POST', path: '/', body });

/** A request that makes the function open what its work needs: a health check would load next to nothing. */
function workOf(name: FunctionName, { identityToken }: StandIns): Work {
  switch (name) {
    case 'reconcile':
      return { what: 'an empty fleet', asked: post({}), said: '"certificates":0' };
    case 'issue':
      return { what: 'a certificate that is still good', asked: post(TASK), said: 'it is not due' };
    case 'sync':
      return {
        what: 'a version already delivered',
        asked: post(MESSAGE),
        said: '"state":"unchanged"',
      };
    case 'api':
      return {
        what: 'GET /v1/certificates',
        asked: {
          method: 'GET',
          path: '/v1/certificates',
          headers: { authorization: `Bearer ${identityToken}` },
        },
        said: FIRST.id,
      };
  }
}

const FIRST = fleetMember(0);
const TASK = {
  certificate: FIRST.id,
  identity: FIRST.record.identity,
  reason: 'due',
  replaces: 1,
  failures: 0,
};
// https://cloud.google.com/secret-manager/docs/event-notifications
const MESSAGE = {
  message: {
    attributes: {
      eventType: 'SECRET_VERSION_ADD',
      secretId: `projects/bench/secrets/certherd-cert-${FIRST.id}`,
      versionId: `projects/bench/secrets/certherd-cert-${FIRST.id}/versions/1`,
      dataFormat: 'JSON_API_V1',
    },
  },
};
