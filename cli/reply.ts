import { CliFault } from './fault.ts';

/** A reply that has come to its end. */
export type Reply = Readonly<{ status: number; headers: Headers; text: string }>;

const LIMIT_MS = 90_000;

/**
 * One request, within a minute and a half unless `init` has another signal. Throws exit 1 with a sentence when no whole reply comes. A
 * redirect is a reply, and is not followed: it could lead a token elsewhere.
 */
export async function replyOf(url: string, path: string, init: RequestInit): Promise<Reply> {
  const signal = init.signal ?? AbortSignal.timeout(LIMIT_MS);
  const fault = (sentence: string, cause: unknown) =>
    new CliFault(
      1,
      isTimeout(cause) ? `${url} gives no whole answer in time${again(init)}` : sentence,
      { cause },
    );
  const response = await fetch(`${url}${path}`, { ...init, redirect: 'manual', signal }).catch(
    (cause) => {
      const hint = isLoopback(url) ? 'is npm start running?' : 'is the URL right?';
      throw fault(`nothing answers at ${url}; ${hint}`, cause);
    },
  );
  const { status, headers } = response;
  const text = await response.text().catch((cause) => {
    throw fault(`the answer of ${url} breaks off${again(init)}`, cause);
  });
  return { status, headers, text };
}

const isTimeout = (cause: unknown) => cause instanceof Error && cause.name === 'TimeoutError';

// What was asked for may have been done all the same, and renewing twice is not renewing once.
const again = ({ method }: RequestInit) =>
  method === 'POST' ? '; see by "status" whether it was done, then try again' : '; try again';

/** Whether a URL leads to this machine. */
export const isLoopback = (url: string) =>
  /^(localhost|\[::1\]|127(\.\d+){3})$/.test(new URL(url).hostname);

/** What the door of the api wants of a token. */
export const tokenAdvice = (url: string) =>
  `have the token command print an ID token with an e-mail, made out to ${url}, and name its account under access in the configuration`;

/** What a reply means that is not the api's: something before it has answered. */
export function strangeness({ status, headers }: Reply, url: string): CliFault {
  const answers = `${url} answers ${status}`;
  if (status === 401 || status === 403)
    return new CliFault(1, `${answers} before the api is asked`, { advice: tokenAdvice(url) });
  if (status < 300 || status >= 400)
    return new CliFault(1, `${answers} and no JSON; is it the api of Certherd?`);
  const to = URL.parse(headers.get('location') ?? '', url)?.host ?? 'elsewhere';
  return new CliFault(1, `${answers} and leads to ${to}, as Identity-Aware Proxy does`, {
    advice: `have the token command print the JWT that it takes, which the account signs itself, made out to ${url}/* (docs/day-one.md); or correct --url`,
  });
}
