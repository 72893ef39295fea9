import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { OAuth2Client } from 'google-auth-library';
import { askedBy, listenerOf } from './wire/request.ts';

/** Checks an ID token and answers whose it is; throws when it is forged, expired, or for another audience. */
export type VerifyIdToken = (
  token: string,
  audiences: readonly string[],
) => Promise<Readonly<{ email?: string; email_verified?: boolean }>>;

/** Verifies with the keys at `pemCertificatesUrl` (form of /oauth2/v1/certs) and the machine's own clock. */
export function googleVerifier(pemCertificatesUrl: string): VerifyIdToken {
  const client = new OAuth2Client({
    endpoints: { oauth2FederatedSignonPemCertsUrl: pemCertificatesUrl },
  });
  return async (idToken, audience) => {
    const ticket = await client.verifyIdToken({ idToken, audience: [...audience] });
    return ticket.getPayload() ?? {};
  };
}

type InvokerOptions = Readonly<{
  /** Who has roles/run.invoker: e-mails, with or without the prefix of an IAM member. */
  invokers: readonly string[];
  /** The service's URL and its custom audiences. */
  audiences: readonly string[];
  verify: VerifyIdToken;
}>;

/**
 * What stands before a Cloud Run service that requires authentication. X-Serverless-Authorization is
 * looked at before Authorization; the one looked at goes on without its signature, so that the service
 * cannot use it elsewhere (https://cloud.google.com/run/docs/authenticating/service-to-service).
 */
export function requireInvoker(
  listener: RequestListener,
  options: InvokerOptions,
): RequestListener {
  const emails = new Set(options.invokers.map((member) => member.replace(/^\w+:/, '')));
  return listenerOf(async (request, response) => {
    const path = askedBy(request)?.path;
    if (path === undefined) return refuse(request, response, { status: 400, path: '' });
    const status = await admission(request, { ...options, emails });
    if (status) refuse(request, response, { status, path });
    else listener(request, response);
  });
}

type Door = InvokerOptions & Readonly<{ emails: ReadonlySet<string> }>;

async function admission(request: IncomingMessage, door: Door): Promise<401 | 403 | undefined> {
  const header =
    request.headers['x-serverless-authorization'] === undefined
      ? 'authorization'
      : 'x-serverless-authorization';
  const token = bearerToken(request.headers[header]);
  if (token === undefined) return 403;
  try {
    const { email, email_verified } = await door.verify(token, door.audiences);
    if (!email || !email_verified || !door.emails.has(email)) return 403;
  } catch {
    return 401;
  }
  replaceHeader(request, header, `Bearer ${withoutSignature(token)}`);
  return undefined;
}

const bearerToken = (header: string | string[] | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(String(header ?? ''))?.[1];

const withoutSignature = (token: string) =>
  `${token.slice(0, token.lastIndexOf('.'))}.SIGNATURE_REMOVED_BY_GOOGLE`;

function replaceHeader(request: IncomingMessage, name: string, value: string): void {
  request.headers[name] = value;
  request.rawHeaders.forEach((raw, index) => {
    if (index % 2 === 0 && raw.toLowerCase() === name) request.rawHeaders[index + 1] = value;
  });
}

const TITLES = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
} as const;
type Refusal = Readonly<{ status: keyof typeof TITLES; path: string }>;

function sentenceOf({ status, path }: Refusal): string {
  // Encoded again, so that nothing of it is read as HTML.
  const shown = `<code>${encodeURI(path)}</code>`;
  switch (status) {
    case 400:
      return 'Your client has issued a malformed or illegal request.';
    case 401:
      return `Your client does not have permission to the requested URL ${shown}.`;
    case 403:
      return `Your client does not have permission to get URL ${shown} from this server.`;
    case 404:
      return `The requested URL ${shown} was not found on this server.`;
  }
}

/** The page that Google's front end answers in place of a service. */
export function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const { status } = refusal;
  request.resume();
  response.writeHead(status, {
    'content-type': 'text/html; charset=UTF-8',
    ...(status === 401 && {
      'www-authenticate':
        'Bearer error="invalid_token" error_description="The access token could not be verified"',
    }),
  });
  response.end(`
<html><head>
<meta http-equiv="content-type" content="text/html;charset=utf-8">
<title>${status} ${TITLES[status]}</title>
</head>
<body text=#000000 bgcolor=#ffffff>
<h1>Error: ${TITLES[status]}</h1>
<h2>${sentenceOf(refusal)}</h2>
<h2></h2>
</body></html>
`);
}
