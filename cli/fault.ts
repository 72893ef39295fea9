type More = ErrorOptions &
  Readonly<{
    /** What to do about it, to follow a semicolon. */
    advice?: string | undefined;
    /** What the api said instead, for `--json`. */
    document?: unknown;
  }>;

/** Ends the command with one sentence. 1: something is not as it should be; 2: the command was used in a wrong way. */
export class CliFault extends Error {
  override readonly name = 'CliFault';
  readonly exitCode: 1 | 2;
  readonly advice: string | undefined;
  readonly document: unknown;

  constructor(exitCode: 1 | 2, sentence: string, { advice, document, ...options }: More = {}) {
    super(sentence, options);
    this.exitCode = exitCode;
    this.advice = advice;
    this.document = document;
  }

  /** What is wrong, and what to do. */
  get sentence(): string {
    return this.advice ? `${this.message}; ${this.advice}` : this.message;
  }
}
