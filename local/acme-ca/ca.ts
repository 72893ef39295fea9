import type { AccountCall } from './http.ts';
import { AcmeProblem } from './problem.ts';
import type { AcmeCaState } from './state.ts';

/** What the resources need of the CA around them. */
export type Ca = Readonly<{
  state: AcmeCaState;
  /** Makes what changed in `state` survive; called before the change is answered. */
  save(): void;
  now(): Date;
  base(): string;
  reuse: boolean;
  retryAfter(seconds: number): Readonly<Record<string, string>>;
  retryAfterSeconds: Readonly<{ authorization: number; order: number }>;
  /** Work that the reply does not wait for. */
  validate(authorization: string): void;
  issue(order: string): void;
  countOrder(): void;
}>;

/** Throws unless the request only reads (RFC 8555 section 6.3). */
export function postAsGet({ payload }: AccountCall): void {
  if (payload !== '')
    throw new AcmeProblem('malformed', 'POST-as-GET requests must have an empty payload');
}

export const notFound = (detail: string) => new AcmeProblem('malformed', detail, { status: 404 });
