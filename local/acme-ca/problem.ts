const STATUS = {
  accountDoesNotExist: 400,
  badCSR: 400,
  badNonce: 400,
  badPublicKey: 400,
  badSignatureAlgorithm: 400,
  compound: 400,
  dns: 400,
  invalidContact: 400,
  invalidProfile: 400,
  malformed: 400,
  orderNotReady: 403,
  rateLimited: 429,
  rejectedIdentifier: 400,
  serverInternal: 500,
  unauthorized: 403,
  unsupportedContact: 400,
  unsupportedIdentifier: 400,
} as const;

/** The last part of an ACME error type (RFC 8555 section 6.7). */
export type ProblemType = keyof typeof STATUS;

export type Identifier = Readonly<{ type: string; value: string }>;

/** The document that a refusal, a failed challenge or a failed order carries (RFC 9457 with RFC 8555 section 6.7.1). */
export type ProblemDocument = Readonly<{
  type: string;
  detail: string;
  status: number;
  algorithms?: readonly string[];
  identifier?: Identifier;
  subproblems?: readonly ProblemDocument[];
}>;

type Extras = Readonly<{
  status?: number;
  headers?: Readonly<Record<string, string>>;
  algorithms?: readonly string[];
  subproblems?: readonly ProblemDocument[];
}>;

/** A refusal in ACME's error shape; thrown anywhere, answered by the HTTP layer. */
export class AcmeProblem extends Error {
  override readonly name = 'AcmeProblem';
  readonly document: ProblemDocument;
  readonly headers: Readonly<Record<string, string>>;

  constructor(type: ProblemType, detail: string, extras: Extras = {}) {
    super(detail);
    const { headers, ...members } = extras;
    this.document = { ...problemDocument(type, detail), ...members };
    this.headers = headers ?? {};
  }
}

/** The document of a problem, with the status that its type is answered with. */
export function problemDocument(type: ProblemType, detail: string): ProblemDocument {
  return { type: `urn:ietf:params:acme:error:${type}`, detail, status: STATUS[type] };
}

/** One problem stands for itself; several become one, with a subproblem for each name (RFC 8555 section 6.7.1). */
export function combinedProblem(
  problems: readonly (ProblemDocument & Readonly<{ identifier: Identifier }>)[],
): ProblemDocument | undefined {
  const [first, ...others] = problems;
  if (!first) return undefined;
  const { identifier, ...document } = first;
  const detail = `${identifier.value}: ${first.detail}`;
  if (others.length === 0) return { ...document, detail, subproblems: problems };
  const alike = others.every(({ type }) => type === first.type);
  return {
    ...(alike ? document : problemDocument('compound', '')),
    detail: `${detail} (and ${others.length} more; see subproblems)`,
    subproblems: problems,
  };
}
