import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';

/** Every member that some reply has: directory, resource or problem. */
export type AcmeDocument = Readonly<
  Partial<{
    newNonce: string;
    newAccount: string;
    newOrder: string;
    meta: Readonly<Record<string, unknown>>;
    type: string;
    detail: string;
    algorithms: readonly string[];
    identifier: Readonly<{ type: string; value: string }>;
    subproblems: readonly AcmeDocument[];
    status: string | number;
    error: AcmeDocument;
    contact: readonly string[];
    expires: string;
    identifiers: readonly Readonly<{ type: string; value: string }>[];
    authorizations: readonly string[];
    finalize: string;
    certificate: string;
    wildcard: boolean;
    challenges: readonly AcmeDocument[];
    url: string;
    token: string;
    validated: string;
  }>
>;

/** `body` is empty when the reply is not JSON. */
export type AcmeReply = Readonly<{
  status: number;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  text: string;
  body: AcmeDocument;
}>;

/** What a request differs in from a correct one. A member of `header` that is undefined is left out. */
export type Differs = Readonly<{
  header?: Readonly<Record<string, unknown>>;
  key?: KeyObject;
  contentType?: string;
  userAgent?: string | undefined;
  /** The whole body in place of a JWS. */
  rawBody?: (jws: Readonly<Record<string, string>>) => string;
  /** The signature as sent. */
  spoil?: (signature: Buffer) => Buffer;
  retryBadNonce?: boolean;
}>;

/** An account key with an HTTP client, able to send requests that no decent client sends. */
export type AcmeSigner = Readonly<{
  key: KeyObject;
  jwk: Readonly<Record<string, unknown>>;
  /** The URL of a resource that the directory names. */
  urlOf(resource: 'newNonce' | 'newAccount' | 'newOrder'): string;
  /** Sends `payload` as JSON, or POST-as-GET when it is undefined. Signs with the key itself until `register` was called. */
  post(url: string, payload?: unknown, differs?: Differs): Promise<AcmeReply>;
  plain(
    method: string,
    url: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<AcmeReply>;
  nonce(): Promise<string>;
  register(): Promise<string>;
  close(): void;
}>;

const TRIES = 20;

export async function createSigner(ca: {
  directoryUrl: string;
  tlsCa: string;
}): Promise<AcmeSigner> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = publicKey.export({ format: 'jwk' }) as Readonly<Record<string, unknown>>;
  const agent = new Agent({ ca: ca.tlsCa, keepAlive: true });
  const send = (method: string, url: string, sent: Sent) => exchange({ method, url, agent }, sent);
  const directory = (await send('GET', ca.directoryUrl, {})).body;
  const urlOf: AcmeSigner['urlOf'] = (resource) => directory[resource] ?? '';
  let kid: string | undefined;

  const nonce = async () => {
    const reply = await send('HEAD', urlOf('newNonce'), {});
    return String(reply.headers['replay-nonce']);
  };
  const post = async (url: string, payload?: unknown, differs: Differs = {}) => {
    for (let tries = 1; ; tries += 1) {
      const header = {
        alg: 'ES256',
        nonce: await nonce(),
        url,
        ...(kid === undefined ? { jwk } : { kid }),
        ...differs.header,
      };
      const text = payload === undefined ? '' : JSON.stringify(payload);
      const jws = signed({ header, text, key: differs.key ?? privateKey, spoil: differs.spoil });
      const reply = await send('POST', url, {
        body: differs.rawBody?.(jws) ?? JSON.stringify(jws),
        headers: {
          'content-type': differs.contentType ?? 'application/jose+json',
        },
        ...('userAgent' in differs && { userAgent: differs.userAgent }),
      });
      const isBadNonce = reply.body.type === 'urn:ietf:params:acme:error:badNonce';
      if (!isBadNonce || differs.retryBadNonce === false || tries === TRIES) return reply;
    }
  };
  return {
    key: privateKey,
    jwk,
    urlOf,
    post,
    plain: (method, url, headers) => send(method, url, { ...(headers && { headers }) }),
    nonce,
    register: async () => {
      const reply = await post(urlOf('newAccount'), { termsOfServiceAgreed: true });
      kid = String(reply.headers.location);
      return kid;
    },
    close: () => agent.destroy(),
  };
}

type Signing = Readonly<{
  header: unknown;
  text: string;
  key: KeyObject;
  spoil: Differs['spoil'];
}>;

function signed({ header, text, key, spoil = (same) => same }: Signing) {
  const encoded = (value: string) => Buffer.from(value).toString('base64url');
  const head = encoded(JSON.stringify(header));
  const payload = encoded(text);
  const signature = sign('sha256', Buffer.from(`${head}.${payload}`), {
    key,
    dsaEncoding: 'ieee-p1363',
  });
  return { protected: head, payload, signature: spoil(signature).toString('base64url') };
}

type Sent = Readonly<{
  body?: string;
  headers?: Readonly<Record<string, string>>;
  userAgent?: string | undefined;
}>;

type Target = Readonly<{ method: string; url: string; agent: Agent }>;

function exchange(to: Target, sent: Sent): Promise<AcmeReply> {
  const userAgent = 'userAgent' in sent ? sent.userAgent : 'certherd-tests';
  return new Promise<AcmeReply>((resolve, reject) => {
    const going = request(to.url, {
      method: to.method,
      agent: to.agent,
      headers: { ...sent.headers, ...(userAgent && { 'user-agent': userAgent }) },
    });
    going.on('error', (error) => {
      // A connection kept open across a restart of the server is found dead only by using it.
      if (going.reusedSocket) resolve(exchange(to, sent));
      else reject(error);
    });
    going.on('response', (response) => resolve(readReply(response)));
    going.end(sent.body);
  });
}

async function readReply(response: IncomingMessage): Promise<AcmeReply> {
  const text = (await response.toArray()).join('');
  const { statusCode: status = 0, headers } = response;
  const isJson = /json/.test(headers['content-type'] ?? '') && text !== '';
  return { status, headers, text, body: isJson ? JSON.parse(text) : {} };
}
