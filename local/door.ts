import { randomBytes, timingSafeEqual } from 'node:crypto';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { listenOnLoopback, type RunningApi } from './google-api.ts';
import { askedBy, listenerOf } from './wire/request.ts';

const COOKIE = 'certherd';
const IDENTITY = '/computeMetadata/v1/instance/service-accounts/default/identity';

const NOT_LOGGED_IN =
  'Nobody is logged in here. Open the link that npm start printed ("Log in once with"); it is good for one browser.';
const WRONG_LINK =
  'The link is not right, or it was used already. The right one is printed where npm start runs; it is good once, and each start prints a new one.';

export type DoorOptions = Readonly<{
  api: RequestListener;
  port: number;
  /** An ID token of the person at this machine, for an audience. */
  identityToken: (audience: string) => Promise<string>;
  audience: string;
}>;

export type Door = RunningApi & Readonly<{ loginUrl: string }>;

/**
 * The way in on one machine. Whoever has the one-time link gets a cookie, which stands for the person's ID token; the command line
 * asks for that token as it would ask a metadata server. The api behind it verifies the token in every case.
 */
export async function openDoor({ api, port, identityToken, audience }: DoorOptions): Promise<Door> {
  const session = randomBytes(24).toString('base64url');
  let code: string | undefined = randomBytes(24).toString('base64url');
  const link = code;
  let hosts: readonly string[] = [];
  const enter = async (request: IncomingMessage, response: ServerResponse) => {
    // A page of another site can make a name of its own lead here (DNS rebinding); its requests still carry that name.
    if (!hosts.includes(request.headers.host ?? ''))
      return refuse(response, 421, 'This address serves 127.0.0.1 and localhost only.');
    const asked = askedBy(request);
    if (!asked) return refuse(response, 400, 'The URL is not valid.');
    const { path, query } = asked;
    if (path === '/login') {
      if (!isSame(query.get('code'), code)) return refuse(response, 403, WRONG_LINK);
      code = undefined;
      const cookie = `${COOKIE}=${session}; HttpOnly; SameSite=Strict; Path=/`;
      return void response
        .writeHead(303, { 'set-cookie': cookie, location: '/', 'cache-control': 'no-store' })
        .end();
    }
    if (path === IDENTITY)
      return metadata(request, response, () => identityToken(query.get('audience') ?? ''));
    const isLoggedIn = isSame(cookieOf(request), session);
    if (!isLoggedIn && isPage(request, path)) return refuse(response, 401, NOT_LOGGED_IN);
    // The cookie reads; whatever changes something needs the token itself, which no foreign page can send.
    if (isLoggedIn && request.method === 'GET' && !request.headers.authorization)
      request.headers.authorization = `Bearer ${await identityToken(audience)}`;
    api(request, response);
  };
  const server = createServer(listenerOf(enter));
  const running = await listenOnLoopback(server, port);
  hosts = [`127.0.0.1:${running.port}`, `localhost:${running.port}`];
  return { ...running, loginUrl: `${running.url}/login?code=${link}` };
}

/** What a person opens in a browser; a program brings a token, or is told of it by the api. */
const isPage = ({ method, headers }: IncomingMessage, path: string) =>
  method === 'GET' &&
  path === '/' &&
  !headers.authorization &&
  /\btext\/html\b/.test(headers.accept ?? '');

async function metadata(
  request: IncomingMessage,
  response: ServerResponse,
  token: () => Promise<string>,
): Promise<void> {
  if (request.headers['metadata-flavor'] !== 'Google')
    return refuse(response, 403, 'Missing Metadata-Flavor: Google header.');
  const identity = await token();
  response
    .writeHead(200, {
      'metadata-flavor': 'Google',
      'content-type': 'application/text',
      'cache-control': 'no-store',
    })
    .end(identity);
}

function refuse(response: ServerResponse, status: number, sentence: string): void {
  response
    .writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
    .end(`${sentence}\n`);
}

const cookieOf = ({ headers }: IncomingMessage) =>
  new RegExp(`(?:^|; )${COOKIE}=([^;]+)`).exec(headers.cookie ?? '')?.[1] ?? null;

function isSame(given: string | null, expected: string | undefined): boolean {
  if (given === null || expected === undefined || given.length !== expected.length) return false;
  return timingSafeEqual(Buffer.from(given), Buffer.from(expected));
}
