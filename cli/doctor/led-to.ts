import { DEFAULT_URL, type Door } from '../token.ts';
import type { Finding } from './finding.ts';

const OURS = 'npm run certherd -- ';

/** A repair by another of our commands, led to where this one was: without that it would go to the default address. */
export function ledTo({ url, tokenCommand }: Door, finding: Finding): Finding {
  const { repair } = finding;
  if (!repair?.startsWith(OURS)) return finding;
  const options = [
    ...(url === DEFAULT_URL ? [] : [`--url ${quoted(url)} `]),
    ...(tokenCommand ? [`--token-command ${quoted(tokenCommand)} `] : []),
  ].join('');
  return { ...finding, repair: `${OURS}${options}${repair.slice(OURS.length)}` };
}

/** As one word of a POSIX shell; what no shell takes for more stays as it is. */
const quoted = (text: string) =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
