import { join } from 'node:path';
import { workplace } from '../real/parts/terraform.ts';
import { startCloud } from '../real/terraform/cloud.ts';
import { workspace } from '../real/terraform/terraform.ts';
import type { Row } from './bench.ts';
import { inTurn, timed } from './figures.ts';

const MOST_TEST_SECONDS = 60;
const MOST_APPLY_SECONDS = 45;

/** What a change of the module waits for. `init` is not counted: it copies providers. */
export const terraformTestRow: Row = {
  name: 'terraform-test',
  what: '`terraform validate` and all `terraform test` of both modules',
  reach: `${MOST_TEST_SECONDS} s`,
  needs: ['terraform', 'kube-apiserver'],
  async measure() {
    const place = workplace();
    try {
      const folders = [place.module, join(place.module, 'modules/cluster-access')];
      for (const folder of folders) await place.terraform(folder, 'init');
      const figure = await timed(async () => {
        for (const folder of folders) {
          await place.terraform(folder, 'validate');
          await place.terraform(folder, 'test');
        }
      });
      return [measured(terraformTestRow.what, [figure], MOST_TEST_SECONDS)];
    } finally {
      place.remove();
    }
  },
};

/** The whole module on the stand-ins and the stub, and away again. */
export const terraformApplyRow: Row = {
  name: 'terraform-apply',
  what: 'the module applied to the stand-ins, and destroyed',
  reach: `${MOST_APPLY_SECONDS} s`,
  needs: ['terraform', 'kube-apiserver'],
  async measure() {
    const cloud = await startCloud();
    try {
      const zips = ['reconcile', 'issue', 'sync', 'api'].map((name) => [`dist/${name}.zip`, name]);
      const { folder, run } = await workspace(cloud.ownerToken(), {
        ...Object.fromEntries(zips),
        'terraform.tfvars.json': { ...cloud.variables, source_directory: './dist' },
      });
      const figures = await inTurn(['apply', 'destroy'], (command) =>
        timed(() => run(command, '-auto-approve', '-parallelism=40')),
      );
      folder.remove();
      return [measured(terraformApplyRow.what, figures, MOST_APPLY_SECONDS)];
    } finally {
      await cloud.close();
    }
  },
};

function measured(what: string, figures: readonly number[], most: number) {
  const sum = figures.reduce((total, figure) => total + figure, 0);
  return {
    what,
    measured: `${sum.toFixed(1)} s (${figures.map((figure) => figure.toFixed(1)).join(' + ')}), 1 run`,
    isReached: sum <= most,
    peers: '',
    samples: { figures },
  };
}
