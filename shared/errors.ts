// A new code cannot be added without saying whether trying again, unchanged, can help.
const retryable = {
  'ca-unavailable': true,
  'ca-rate-limited': true,
  'ca-rejected': false,
  'challenge-failed': false,
  'dns-unavailable': true,
  'dns-not-propagated': true,
  'dns-not-delegated': false,
  'dns-name-blocked': false,
  'store-unavailable': true,
  'identity-unavailable': true,
  // A grant takes minutes to hold everywhere, and whoever mends it must find the work still there.
  'not-permitted': true,
  'record-invalid': false,
  'lease-lost': true,
  unfinished: true,
  'cluster-unreachable': true,
  'cluster-forbidden': false,
  'secret-refused': false,
  'kubeconfig-invalid': false,
  'queue-unavailable': true,
  'handshake-failed': true,
  'certificate-invalid': false,
  'config-invalid': false,
  'request-invalid': false,
  'not-allowed': false,
  'not-found': false,
} as const satisfies Record<string, boolean>;

export type ErrorCode = keyof typeof retryable;

const isRetryable = (code: string): boolean =>
  Object.hasOwn(retryable, code) && retryable[code as ErrorCode];

/** Whether a person has to act before trying again can help after a failure of this recorded code. */
export const needsPerson = (code: string): boolean =>
  code === 'not-permitted' || !isRetryable(code);

/**
 * The only error that the program throws on purpose. The message says in lower case what happened to which resource
 * and what to do next, and never holds a key or a token; `retryAt` is the other side's own word (Retry-After).
 */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
  readonly code: ErrorCode;
  readonly retryAt: Date | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    options: ErrorOptions & { retryAt?: Date | undefined } = {},
  ) {
    super(message, options);
    this.code = code;
    this.retryAt = options.retryAt;
  }

  get retryable(): boolean {
    return retryable[this.code];
  }
}

// What Node advises when an authority is unknown is a flag of its own, and here authorities come from the configuration.
const FLAG_ADVICE = /; if the root CA is installed locally, try running Node\.js with --\S+/;

/** The message of whatever was thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(FLAG_ADVICE, '').replace(/\s+/g, ' ').trim();
}
