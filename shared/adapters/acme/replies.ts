import { z } from 'zod';
import type { Authorization, Order } from '../../ports.ts';
import { problemSentence } from './problem.ts';

/** RFC 8555 section 7.1.1, the part that is used; everything else in a directory is ignored. */
export const directorySchema = z.object({
  newNonce: z.url(),
  newAccount: z.url(),
  newOrder: z.url(),
});

const orderSchema = z.object({
  status: z.enum(['pending', 'ready', 'processing', 'valid', 'invalid']),
  expires: z.string().optional(),
  authorizations: z.array(z.url()),
  finalize: z.url(),
  certificate: z.url().optional(),
  error: z.unknown().optional(),
});

const challengeSchema = z.object({
  type: z.string(),
  url: z.url(),
  status: z.string(),
  token: z.string().optional(),
  error: z.unknown().optional(),
});

const authorizationSchema = z.object({
  identifier: z.object({ type: z.string(), value: z.string() }),
  status: z.enum(['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked']),
  challenges: z.array(challengeSchema),
});

/** What is wrong with a reply, path first. */
export class Nonsense extends Error {
  override readonly name = 'Nonsense';
}

/** The data as `schema` says it must be; throws `Nonsense`. */
export function parsed<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Nonsense(`${issue?.path.join('.') || 'the body'}: ${issue?.message}`);
}

/** An order as its `url` answered it. */
export function parseOrder(url: string, data: unknown, retryAfterMs: number | undefined): Order {
  const order = parsed(orderSchema, data);
  const expires = new Date(order.expires ?? Number.NaN);
  return {
    url,
    status: order.status,
    authorizations: order.authorizations,
    finalize: order.finalize,
    certificate: order.certificate,
    expires: Number.isNaN(expires.getTime()) ? undefined : expires,
    problem: problemSentence(order.error),
    retryAfterMs,
  };
}

/** An authorization as its `url` answered it; `txtValue` turns a token into what the TXT record must hold. */
export function parseAuthorization(
  url: string,
  data: unknown,
  txtValue: (token: string) => string,
): Authorization {
  const { identifier, status, challenges } = parsed(authorizationSchema, data);
  const challenge = challenges.find(({ type, token }) => type === 'dns-01' && token !== undefined);
  return {
    url,
    name: identifier.value.toLowerCase(),
    status,
    challenge: challenge && {
      url: challenge.url,
      status: challenge.status,
      value: txtValue(challenge.token ?? ''),
    },
    problem: challenges.map(({ error }) => problemSentence(error)).find(Boolean),
  };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** The chain of RFC 8555 section 7.4.2; throws `Nonsense` for a page, an empty or a cut-off body. */
export function parseChain(data: unknown): string {
  const text = typeof data === 'string' ? data : '';
  const begun = text.match(/-----BEGIN /g)?.length ?? 0;
  if (begun === 0) throw new Nonsense('the body holds no certificate');
  if (text.match(CERTIFICATE)?.length !== begun) throw new Nonsense('the chain is cut off');
  return text;
}
