import { CertificateError, messageOf } from '../../errors.ts';
import type { CertificateAuthority, KeyVault, Order } from '../../ports.ts';
import { createAccountStore } from './account.ts';
import { oneLine, ProblemReply, refusal, retryAfterMs } from './problem.ts';
import { Nonsense, parseAuthorization, parseChain, parseOrder } from './replies.ts';
import { createSessions, type SeenRequest, type Session } from './session.ts';
import { createTransport } from './transport.ts';

export type CertificateAuthorityOptions = Readonly<{
  issuer: Readonly<{ name: string; directory: string; contact: string | undefined }>;
  vault: KeyVault;
  /** The name of the secret that holds the account's key. */
  accountSecret: string;
  /** PEM of the only authority that the CA's own TLS may come from. */
  tlsCa?: string | undefined;
  userAgent: string;
  now: () => Date;
  onRequest?: ((request: SeenRequest) => void) | undefined;
}>;

type Response = Awaited<ReturnType<Session['api']['getOrder']>>;

/** An ACME CA (RFC 8555) through acme-client's signed requests, on a transport of our own. The account is opened at the first call. */
export function createCertificateAuthority(
  options: CertificateAuthorityOptions,
): CertificateAuthority {
  const { issuer, now } = options;
  const inSession = sessionsOf(options);
  /** Names the call in whatever fails. */
  const call = async <T>(what: string, run: (session: Session) => Promise<T>): Promise<T> => {
    try {
      return await inSession(run);
    } catch (error) {
      throw translated(error, `${what} at the CA ${issuer.name} (${issuer.directory})`, now());
    }
  };
  const asOrder = (url: string, { data, headers }: Response) =>
    parseOrder(url, data, retryAfterMs(headers, now()));
  const order = (url: string) =>
    call(`order ${url}`, async ({ api }) => asOrder(url, await api.getOrder(url)));
  return {
    directory: issuer.directory,
    newOrder: (names) =>
      call(`the order for ${names.join(', ')}`, async ({ api }) => {
        const identifiers = names.map((value) => ({ type: 'dns', value }));
        const response = await api.createOrder({ identifiers });
        const url = response.headers.location;
        if (!url) throw new Nonsense('the reply to newOrder has no Location');
        return asOrder(url, response);
      }),
    order: (url) => unlessUnknown(order(url)),
    authorization: (url) =>
      call(`authorization ${url}`, async ({ api, txtValue }) => {
        const { data } = await api.getAuthorization(url);
        return parseAuthorization(url, data, txtValue);
      }),
    respond: (url) =>
      call(`the answer to challenge ${url}`, async ({ api }) => {
        await api.completeChallenge(url, {});
      }),
    finalize: ({ url, finalize }, csr) =>
      call(`finalizing order ${url}`, async ({ api }) =>
        asOrder(url, await api.finalizeOrder(finalize, { csr: csr.toString('base64url') })),
      ).catch((error) => laterState(order(url), error)),
    certificate: ({ url, certificate }) =>
      call(`the certificate of order ${url}`, async ({ api }) => {
        if (!certificate) throw new Nonsense('the order has no certificate yet');
        return parseChain((await api.apiRequest(certificate, null, [200])).data);
      }),
  };
}

function sessionsOf({
  issuer,
  vault,
  accountSecret,
  tlsCa,
  userAgent,
  onRequest,
}: CertificateAuthorityOptions) {
  const { directory, contact } = issuer;
  return createSessions({
    directory,
    contact,
    transport: createTransport({ directory, tlsCa, userAgent }),
    accounts: createAccountStore(vault, accountSecret, directory),
    onRequest,
  });
}

// An order of another account is as good as gone too: `unauthorized`, or `malformed`, as CAs please.
async function unlessUnknown(order: Promise<Order>): Promise<Order | undefined> {
  try {
    return await order;
  } catch (error) {
    const cause = error instanceof CertificateError ? error.cause : undefined;
    if (!(cause instanceof ProblemReply)) throw error;
    const isUnknown =
      cause.reply.status === 404 || ['malformed', 'unauthorized'].includes(cause.type ?? '');
    if (isUnknown) return undefined;
    throw error;
  }
}

/** The order, if it shows that the finalize whose reply we lack has arrived; throws `failure` otherwise. */
async function laterState(order: Promise<Order>, failure: unknown): Promise<Order> {
  const seen = await order.catch(() => undefined);
  if (seen?.status === 'processing' || seen?.status === 'valid') return seen;
  if (seen?.status === 'invalid' && seen.problem) return seen;
  throw failure;
}

function translated(error: unknown, call: string, now: Date): CertificateError {
  if (error instanceof CertificateError) return error;
  if (error instanceof ProblemReply) return refusal(error, call, now);
  const problem =
    error instanceof Nonsense
      ? `the reply makes no sense: ${error.message}; check that the address is an ACME directory`
      : oneLine(messageOf(error));
  return new CertificateError('ca-unavailable', `${call} failed: ${problem}`, { cause: error });
}
