import type { Config } from '../../shared/config.ts';
import type { Finding } from './finding.ts';

/** Whether `npm start` runs it: the engines of such a configuration are stand-ins for those of Google Cloud. */
export const isOnThisMachine = ({ endpoints }: Config): boolean =>
  endpoints.secretManager !== undefined;

/** A finding of `npm start`, for whose stand-ins there is neither gcloud nor Terraform. */
export function onThisMachine(finding: Finding): Finding {
  const { repair, advice, ...found } = finding;
  const remedy = repair ?? advice;
  if (remedy === undefined || !/gcloud|[Tt]erraform|deployment|Google/.test(remedy)) return finding;
  return { ...found, advice: `stop npm start and start it again${optionFor(found.check)}` };
}

function optionFor(check: string): string {
  if (check.startsWith('zone')) return '; --zone DOMAIN makes a zone';
  if (check.startsWith('cluster ')) return '; --cluster NAME=READER,WRITER has its kubeconfigs';
  if (check === 'configuration') return '; --config FILE has the configuration';
  return ', without --state or with a new folder for it: the stand-ins are made anew';
}
