import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Programs that a measurement needs; nothing is measured without them, and nothing is left out without a word. */
export type Part =
  | 'pebble'
  | 'kube-apiserver'
  | 'etcd'
  | 'nginx'
  | 'lego'
  | 'certbot'
  | 'curl'
  | 'terraform'
  | 'taskset';

const ASSETS: readonly Part[] = ['kube-apiserver', 'etcd'];

/** Which of the parts are missing, each as a sentence. */
export const missing = (parts: readonly Part[]): readonly string[] =>
  parts
    .filter((part) => !isThere(part))
    .map((part) =>
      ASSETS.includes(part)
        ? `${part} is not in the folder that KUBEBUILDER_ASSETS names`
        : `${part} is not on PATH`,
    );

function isThere(part: Part): boolean {
  const { KUBEBUILDER_ASSETS, PATH = '' } = process.env;
  const folders = ASSETS.includes(part) ? [KUBEBUILDER_ASSETS ?? ''] : PATH.split(delimiter);
  return folders.some((folder) => folder !== '' && isExecutable(join(folder, part)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
