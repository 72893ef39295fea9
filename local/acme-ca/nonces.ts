import { randomBytes } from 'node:crypto';
import { AcmeProblem } from './problem.ts';

export type Nonces = Readonly<{
  fresh(): string;
  /** Uses the nonce up. Throws `badNonce` when it was not ours, was used before, or is one of those refused on purpose. */
  use(nonce: string): void;
}>;

const KEPT = 10_000;
const ROUNDING = 1e-9;

/**
 * Replay nonces (RFC 8555 section 6.5). `rejected` is the share refused although good, between 0 and 1, spread
 * evenly instead of by chance: of five requests at 0.2 it is always the fifth. The oldest of 10 000 are forgotten.
 */
export function createNonces(rejected: number): Nonces {
  const open = new Set<string>();
  let used = 0;
  return {
    fresh() {
      const nonce = randomBytes(16).toString('base64url');
      open.add(nonce);
      const [oldest] = open;
      if (open.size > KEPT && oldest) open.delete(oldest);
      return nonce;
    },
    use(nonce) {
      if (!open.delete(nonce))
        throw new AcmeProblem('badNonce', 'JWS has an unknown or already used anti-replay nonce');
      used += 1;
      if (refusals(used, rejected) > refusals(used - 1, rejected))
        throw new AcmeProblem(
          'badNonce',
          'JWS has an invalid anti-replay nonce: refused on purpose',
        );
    },
  };
}

const refusals = (used: number, rejected: number) => Math.floor(used * rejected + ROUNDING);
