/** One nonce for one signed request. `done` must be called once, with the nonce that the reply brought for the next. */
type Nonce = Readonly<{ value: string; done(next: string | undefined): void }>;

/** The anti-replay nonces of one CA (RFC 8555 section 6.5). Every reply to a signed request brings one, so hardly any has to be fetched. */
export type Nonces = Readonly<{
  /** One that is kept, else one that a request under way will bring, else one from `fetch`. */
  take(fetch: () => Promise<string>): Promise<Nonce>;
}>;

const MOST_KEPT = 100;

export function createNonces(): Nonces {
  const kept: string[] = [];
  const waiting: ((nonce: string | undefined) => void)[] = [];
  let underWay = 0;
  const done = (nonce: string | undefined) => {
    const next = waiting.shift();
    if (next) return next(nonce);
    underWay -= 1;
    if (nonce !== undefined && kept.length < MOST_KEPT) kept.push(nonce);
  };
  const atHand = (): Promise<string | undefined> | string | undefined => {
    // Each request under way brings one: waiting for it takes no longer than fetching another.
    if (kept.length === 0 && waiting.length < underWay)
      return new Promise((resolve) => {
        waiting.push(resolve);
      });
    underWay += 1;
    return kept.pop();
  };
  return {
    async take(fetch) {
      try {
        return { value: (await atHand()) ?? (await fetch()), done };
      } catch (error) {
        done(undefined);
        throw error;
      }
    },
  };
}
