import { hash } from 'node:crypto';
import type AcmeApi from 'acme-client/src/api.js';
import type HttpClient from 'acme-client/src/http.js';
import type { Account, AccountStore } from './account.ts';
import { createNonces, type Nonces } from './nonces.ts';
import { ProblemReply, problemType } from './problem.ts';
import { directorySchema, Nonsense, parsed } from './replies.ts';
import type { Reply, Sent, Transport } from './transport.ts';

/** One request to a CA, for those who count. A HEAD is a nonce request. */
export type SeenRequest = Readonly<{
  method: string;
  url: string;
  signed: boolean;
  status: number;
}>;

export type SessionOptions = Readonly<{
  directory: string;
  contact: string | undefined;
  transport: Transport;
  accounts: AccountStore;
  onRequest: ((request: SeenRequest) => void) | undefined;
}>;

/** acme-client's signed requests, speaking for one account. */
export type Session = Readonly<{
  api: AcmeApi;
  /** What the TXT record for a token must hold (RFC 8555 sections 8.1 and 8.4). */
  txtValue(token: string): string;
}>;

/** Runs one call in the account's session, which is opened at the first call and anew when the CA has forgotten the account. */
export type Sessions = <T>(run: (session: Session) => Promise<T>) => Promise<T>;

/** A session of one process. Its calls throw `ProblemReply`, `Nonsense` and what the transport and the vault throw. */
export function createSessions(options: SessionOptions): Sessions {
  const line = createLine(options);
  let opening: Promise<Session> | undefined;
  const session = (isForgotten: boolean) => {
    opening ??= openSession(options, line, isForgotten).catch((error) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  return async (run) => {
    const used = session(false);
    try {
      return await run(await used);
    } catch (error) {
      if (!(error instanceof ProblemReply && error.type === 'accountDoesNotExist')) throw error;
      if (opening === used) opening = undefined;
      return run(await session(true));
    }
  };
}

/** The way to one CA: every request goes through `send`, and the nonces of all replies are kept for the next. */
type Line = Readonly<{ send: Transport; nonces: Nonces }>;

const createLine = ({ transport, onRequest }: SessionOptions): Line => ({
  nonces: createNonces(),
  async send(sent) {
    const reply = await transport(sent);
    const { method, url, body } = sent;
    onRequest?.({ method, url, signed: body !== undefined, status: reply.status });
    return reply;
  },
});

async function openSession(
  options: SessionOptions,
  line: Line,
  isForgotten: boolean,
): Promise<Session> {
  const [http, api, directory, stored] = await Promise.all([
    import('acme-client/src/http.js'),
    import('acme-client/src/api.js'),
    readDirectory(options.directory, line),
    options.accounts.open(),
  ]);
  const speak = ({ key, url }: Account) => {
    const client = onOurLine(new http.default(options.directory, key.reveal()), directory, line);
    const thumbprint = sha256(JSON.stringify(client.getJwk()));
    return {
      api: new api.default(client, url),
      txtValue: (token: string) => sha256(`${token}.${thumbprint}`),
    };
  };
  const known = speak(isForgotten ? { ...stored, url: undefined } : stored);
  if (stored.url && !isForgotten) return known;
  const url = await accountUrl(known.api, options.contact);
  if (await options.accounts.remember({ key: stored.key, url })) return known;
  return openSession(options, line, isForgotten);
}

const sha256 = (text: string) => hash('sha256', text, 'base64url');

async function readDirectory(url: string, line: Line) {
  const { data } = await exchange({ method: 'GET', url, body: undefined }, line);
  return parsed(directorySchema, data);
}

/**
 * newAccount finds the account of a key that the CA knows and makes one otherwise (RFC 8555 section 7.3). To a CA that failed it is said
 * once more: one that is just making the account for another process may answer 500 (Pebble does), and knows the account the next time.
 */
async function accountUrl(api: AcmeApi, contact: string | undefined): Promise<string> {
  const register = () =>
    api.createAccount({
      termsOfServiceAgreed: true,
      ...(contact && { contact: [`mailto:${contact}`] }),
    });
  await register().catch((error) => {
    if (!(error instanceof ProblemReply && error.reply.status === 500)) throw error;
    return register();
  });
  if (!api.accountUrl) throw new Nonsense('the reply to newAccount has no Location');
  return api.accountUrl;
}

// acme-client fetches a nonce before each request, and repeats what failed with the nonce already spent; on our line it does neither.
function onOurLine(client: HttpClient, directory: unknown, line: Line): HttpClient {
  const fetchNonce = client.getNonce.bind(client);
  const sign = client.signedRequest.bind(client);
  client.getDirectory = async () => directory;
  client.request = (url, method, { data } = {}) => {
    const body = data === undefined ? undefined : JSON.stringify(data);
    return exchange({ method: method.toUpperCase(), url, body }, line);
  };
  client.signedRequest = async (url, payload, options, attempt) => {
    // It signs again by itself, with the nonce that came with a badNonce, else with one that it fetches: to wait for the next
    // reply would be to wait for that of this very request.
    if (attempt) return sign(url, payload, options, attempt);
    const { value: nonce, done } = await line.nonces.take(fetchNonce);
    let next: string | undefined;
    try {
      const response = await sign(url, payload, { ...options, nonce }, attempt);
      next = response.headers['replay-nonce'];
      return response;
    } catch (error) {
      if (error instanceof ProblemReply) next = error.reply.headers['replay-nonce'];
      throw error;
    } finally {
      done(next);
    }
  };
  return client;
}

async function exchange(sent: Sent, { send }: Line) {
  const reply = await send(sent);
  const { status, headers, text } = reply;
  const data = parsedBody(reply);
  const isBadNonce = status === 400 && problemType(data) === 'badNonce';
  if (status >= 300 && !isBadNonce) throw new ProblemReply(reply, data);
  return { status, headers, data: data ?? text };
}

/** The JSON of a reply; undefined for every other body, such as a chain or somebody's error page. */
function parsedBody({ headers, text }: Reply): unknown {
  if (!/^application\/([\w.-]+\+)?json/i.test(headers['content-type'] ?? '')) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
