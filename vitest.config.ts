import { defineConfig } from 'vitest/config';

/** One project per level of the test pyramid; `real` needs the real parts and runs on its own. */
const project = (name: string, timeoutMs: number, folders = [name]) => ({
  test: {
    name,
    include: folders.map((folder) => `test/${folder}/**/*.test.ts`),
    testTimeout: timeoutMs,
    hookTimeout: timeoutMs * 3,
    // The SDK clients cost most of a second to import: once per worker, not once per file.
    isolate: false,
  },
});

export default defineConfig({
  test: {
    // The domain decides everything: each of its branches has a case. Elsewhere coverage is a question, not a gate.
    coverage: {
      include: ['shared/domain/**'],
      reporter: ['text-summary'],
      thresholds: { branches: 100, lines: 100 },
    },
    // And whoever has a proxy has none to this machine.
    env: { METADATA_SERVER_DETECTION: 'none', NO_PROXY: '127.0.0.1,localhost,::1' },
    // By default one core is left idle, which on two is half of them; and a third of the time is waiting.
    maxWorkers: 3,
    projects: [
      project('unit', 5_000),
      // Both speak through the SDK clients, which the workers of one project import but once.
      project('integration', 20_000, ['contract', 'integration']),
      {
        test: {
          // Against a hang alone: on a machine that is busy with other things the longest take minutes.
          ...project('real', 300_000).test,
          fileParallelism: false,
          globalSetup: 'test/real/preflight.ts',
        },
      },
    ],
  },
});
