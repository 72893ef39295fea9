import { inspect } from 'node:util';

const HIDDEN = '[secret]';

/** A key or token on its way through the program: whatever prints it, by whichever way, prints `[secret]`. Only adapters reveal it. */
export class Sensitive {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}
