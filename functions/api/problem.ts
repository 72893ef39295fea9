import { CertificateError, messageOf } from '../../shared/errors.ts';
import type { ManualRefusal } from '../../shared/jobs/manual.ts';

/** Every problem that the api tells people of: its HTTP status and title. The code ends the type, `urn:certherd:problem:CODE`. */
const PROBLEMS = {
  'request-invalid': [400, 'The request is not understood'],
  unauthenticated: [401, 'Nobody is known by this token'],
  'role-missing': [403, 'Your role does not allow this'],
  'cross-site': [403, 'Another web site asks for this'],
  'not-allowed': [403, 'The policy does not allow this'],
  'not-found': [404, 'There is no such thing'],
  'method-not-allowed': [405, 'This cannot be done here'],
  'secret-refused': [409, 'The Secret is not ours to write'],
  'target-taken': [409, 'The Secret gets another certificate'],
  'record-mismatch': [409, 'The record is that of another certificate'],
  'too-many-targets': [409, 'Too many Secrets'],
  'names-unknown': [409, 'The names are not recorded'],
  'record-invalid': [409, 'The record is not understood'],
  'config-invalid': [409, 'The configuration does not fit'],
  'not-possible': [409, 'This cannot be done as things are'],
  'body-too-large': [413, 'The request is too large'],
  'media-type': [415, 'The request is not JSON'],
  'certificate-failed': [502, 'The certificate could not be issued'],
  'delivery-failed': [502, 'The certificate could not be delivered'],
  'secret-unreadable': [503, 'A Secret cannot be looked at now'],
  'store-unavailable': [503, 'The store is not available'],
  'not-permitted': [503, 'A grant is missing'],
  'identity-unavailable': [503, 'Tokens cannot be checked now'],
  'queue-unavailable': [503, 'The queue or the schedule is not available'],
  'cluster-unreachable': [503, 'The clusters are not available'],
  'not-now': [503, 'This cannot be done now'],
  internal: [500, 'Something went wrong here'],
} as const satisfies Record<ManualRefusal, unknown> & Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** A fault in what was sent: where it is (`names[1]`), and what would be right. */
export type Fault = Readonly<{ path: string; message: string }>;

/** RFC 9457 section 3. The members beyond the standard ones depend on the code. */
export type ProblemDocument = Readonly<{
  type: `urn:certherd:problem:${ProblemCode}`;
  title: string;
  status: number;
  detail: string;
  errors?: readonly Fault[];
  /** The view of the certificate that the problem is about. */
  certificate?: unknown;
}>;

/** Ends a request with a problem document; `detail` is shown to the caller. */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem';
  readonly document: ProblemDocument;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    detail: string,
    more: Readonly<{
      headers?: Readonly<Record<string, string>>;
      errors?: readonly Fault[];
      certificate?: unknown;
    }> = {},
  ) {
    super(detail);
    const { headers = {}, ...members } = more;
    this.document = problemDocument(code, detail, members);
    this.headers = headers;
  }
}

/** What a caller learns of whatever was thrown: the program's own sentence of what it knows, and nothing of a bug. */
export function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  if (error instanceof CertificateError) return new ApiProblem(codeOf(error), messageOf(error));
  return new ApiProblem('internal', 'the log of the api function has the reason');
}

function codeOf({ code, retryable }: CertificateError): ProblemCode {
  if (Object.hasOwn(PROBLEMS, code)) return code as ProblemCode;
  return retryable ? 'not-now' : 'not-possible';
}

function problemDocument(
  code: ProblemCode,
  detail: string,
  members: Readonly<Record<string, unknown>>,
): ProblemDocument {
  const [status, title] = PROBLEMS[code];
  return { type: `urn:certherd:problem:${code}`, title, status, detail, ...members };
}
