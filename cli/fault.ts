/** Ends the command with one sentence. 1: something is not as it should be; 2: the command was used in a wrong way. */
export class CliFault extends Error {
  override readonly name = 'CliFault';
  readonly exitCode: 1 | 2;

  constructor(exitCode: 1 | 2, sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.exitCode = exitCode;
  }
}
