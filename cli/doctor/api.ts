import type { Config } from '../../shared/config.ts';
import { tokenAdvice } from '../reply.ts';
import { APPLY, readServiceLog } from './commands.ts';
import { type Finding, fault, ok, type Remedy } from './finding.ts';
import type { Part } from './part.ts';

/** How the api was asked; `config` is what a person knows of it, for it has said nothing itself when it is away. */
export type Asking = Readonly<{
  url: string;
  tokenCommand: string | undefined;
  config: Config | undefined;
}>;

/** Whether the api answers whoever asks. */
export const apiFinding = (asking: Asking, status: Part<unknown>): Finding =>
  'value' in status
    ? ok('api', `${asking.url} answers, and knows you`)
    : fault('api', status.problem, remedyOf(status, asking));

type Refused = Exclude<Part<unknown>, { value: unknown }>;

function remedyOf({ problem, advice }: Refused, { url, tokenCommand, config }: Asking): Remedy {
  if (advice) return { advice };
  // Only npm start is plain HTTP; a tunnel to a deployment has an address of this machine too.
  const isLocal = url.startsWith('http:');
  if (tokenCommand && problem.startsWith('the token command ')) return tokenCommand;
  if (isLocal) return 'npm start';
  if (problem.startsWith('nothing answers at ') || problem.includes(' answers 404 '))
    return 'terraform output api_url';
  if (/^(Nobody is known|Your role )/.test(problem)) return { advice: tokenAdvice(url) };
  if (problem.includes('is not that of this version')) return APPLY;
  return config
    ? readServiceLog('api', config)
    : { advice: 'the log of the Cloud Run service of the api has the reason' };
}
