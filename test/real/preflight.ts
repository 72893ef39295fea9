import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { installedNginx } from '../../local/front/nginx-server.ts';
import { googleClients } from './parts/python.ts';
import { providerMirror } from './parts/terraform.ts';

const run = promisify(execFile);

/** Ends the run before its first test when a real part is missing, naming each one and the way to get it. */
export async function setup(): Promise<void> {
  const missing = (await Promise.all(CHECKS.map(missingPart))).flatMap((part) => part ?? []);
  if (missing.length === 0) return;
  throw new Error(
    `npm run test:real needs real parts, and nothing is skipped. Missing:\n${missing.map((part) => `  - ${part}`).join('\n')}`,
  );
}

type Check = Readonly<{ part: string; remedy: string; look: () => Promise<unknown> }>;

const assets = (name: string): Check => ({
  part: name,
  remedy:
    'set KUBEBUILDER_ASSETS to the folder that holds it, as `setup-envtest use 1.36 -p path` prints it',
  look: async () => {
    const folder = process.env.KUBEBUILDER_ASSETS;
    if (!folder) throw new Error('KUBEBUILDER_ASSETS is not set');
    await run(`${folder}/${name}`, ['--version']);
  },
});

const CHECKS: readonly Check[] = [
  assets('kube-apiserver'),
  assets('etcd'),
  {
    part: 'pebble',
    remedy: 'go install github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1, and put it on PATH',
    look: () => run('pebble', ['-version']),
  },
  {
    part: 'nginx',
    remedy: 'apt-get install -y nginx-light',
    look: async () => {
      if (!(await installedNginx())) throw new Error('not on PATH, nor in /usr/sbin');
    },
  },
  {
    part: 'terraform',
    remedy: 'version 1.9 or later on PATH: go install github.com/hashicorp/terraform@v1.11.4',
    look: () => run('terraform', ['version']),
  },
  {
    part: "a filesystem mirror of Terraform's providers",
    remedy:
      'set CERTHERD_PARTS to the folder above it, made by `terraform providers mirror terraform` with hashicorp/google and hashicorp/kubernetes',
    look: async () => providerMirror(),
  },
  {
    part: 'promtool',
    remedy:
      "Prometheus' own, on PATH: `apt-get download prometheus && dpkg -x prometheus_*.deb FOLDER` has it in FOLDER/usr/bin, and starts no server",
    look: () => run('promtool', ['--version']),
  },
  {
    part: "python with Google's client library",
    remedy: 'python3 with its venv module, and PyPI in reach the first time',
    look: googleClients,
  },
];

async function missingPart({ part, remedy, look }: Check): Promise<string | undefined> {
  try {
    await look();
    return undefined;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why = code === 'ENOENT' ? 'not found' : message.split('\n')[0];
    return `${part} (${why}): ${remedy}`;
  }
}
