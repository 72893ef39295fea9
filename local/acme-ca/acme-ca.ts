import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { Clock } from '../clock.ts';
import { listenOnLoopback } from '../google-api.ts';
import type { Store } from '../state.ts';
import { loopbackIdentity, type ServerIdentity } from '../tls.ts';
import { listenerOf } from '../wire/request.ts';
import { type BackgroundWork, createBackgroundWork } from './background.ts';
import type { Ca } from './ca.ts';
import { answer, type Counts } from './http.ts';
import { createAuthority } from './issuing.ts';
import { createNonces } from './nonces.ts';
import { issue, resume, validate } from './processing.ts';
import { routesOf } from './resources.ts';
import type { AcmeCaState } from './state.ts';
import { createTxtLookup, type DnsServer } from './validation.ts';

const DAY_MS = 86_400_000;

export type AcmeCaOptions = Readonly<{
  store: Store<AcmeCaState>;
  clock: Clock;
  /** The recursive server that validation asks. */
  dnsServer: DnsServer;
  /** Retry-After on a pending authorization being validated, and on finalize and processing orders; 0 (the default) sends none. */
  retryAfterSeconds?: Readonly<{ authorization: number; order: number }>;
  /** Default 90. */
  lifetimeDays?: number;
  /** Share of good nonces that are refused, 0 to 1, evenly spread; default 0. */
  nonceReject?: number;
  /** Whether a valid authorization stands in for a new one in a later order; default no. */
  authorizationReuse?: boolean;
  /** Sees a request before it is looked at: throw an `AcmeProblem` to refuse it, end its socket, or return to go on. */
  before?: ((request: IncomingMessage) => Promise<void> | void) | undefined;
  /** The port is part of every URL that the CA gives out: name the same one to go on after a restart. */
  port?: number;
}>;

export type AcmeCa = Readonly<{
  directoryUrl: string;
  /** PEM of the authority that a client must trust to reach the CA. */
  tlsCa: string;
  /** PEM of the root under which certificates are issued. */
  rootPem: string;
  /** Since this start: new orders, POSTs with a signature, all requests (those two included). */
  counts(): Counts;
  /** Resolves when it validates and issues nothing any more, for whoever measures time in another way. */
  idle(): Promise<void>;
  close(): Promise<void>;
}>;

/**
 * An ACME CA on loopback (RFC 8555) with dns-01 and wildcards, as strict as Let's Encrypt's about what it implements.
 * Revocation, key change, EAB, profiles, ARI, pre-authorization, order lists and alternate chains are absent from
 * the directory and refused.
 */
export async function startAcmeCa(options: AcmeCaOptions): Promise<AcmeCa> {
  const state = await openedState(options);
  const count = { orders: 0, signedRequests: 0, requests: 0 };
  let base = '';
  const { ca, work, stop } = createCa(options, {
    state,
    base: () => base,
    countOrder: () => {
      count.orders += 1;
    },
  });
  const front = {
    ...{ routes: routesOf(ca), base: ca.base, state, before: options.before },
    nonces: createNonces(options.nonceReject ?? 0),
    count: (what: 'requests' | 'signedRequests') => {
      count[what] += 1;
    },
  };
  const answering = listenerOf((request, response) => answer(request, response, front));
  const { key, certificate } = state.tls;
  const server = createServer({ key, cert: certificate }, answering);
  const listening = await listenOnLoopback(server, options.port ?? 0);
  base = `https://127.0.0.1:${listening.port}`;
  resume(ca);
  return {
    directoryUrl: `${base}/directory`,
    tlsCa: state.tls.ca,
    rootPem: state.authority.root,
    counts: () => ({ ...count }),
    idle: work.idle,
    close: async () => {
      await Promise.all([listening.close(), stop()]);
    },
  };
}

/** The state of the last run, or that of a new CA; saved, so that its keys are there for the next. */
async function openedState({ store, clock }: AcmeCaOptions): Promise<AcmeCaState> {
  const earlier = store.load();
  const state = {
    ...(earlier ?? { accounts: {}, orders: {}, authorizations: {}, certificates: {} }),
    authority: earlier?.authority ?? (await createAuthority(clock.now())),
    tls: await usableIdentity(earlier?.tls),
  };
  store.save(state);
  return state;
}

// Handshakes live in the machine's time, whatever the clock of the CA says.
async function usableIdentity(earlier: ServerIdentity | undefined): Promise<ServerIdentity> {
  const expires = earlier ? new X509Certificate(earlier.certificate).validToDate.getTime() : 0;
  return earlier && expires - Date.now() > DAY_MS ? earlier : loopbackIdentity('Certherd ACME CA');
}

type Around = Pick<Ca, 'state' | 'base' | 'countOrder'>;

function createCa(
  options: AcmeCaOptions,
  around: Around,
): { ca: Ca; work: BackgroundWork; stop(): Promise<void> } {
  const { clock, store, lifetimeDays = 90 } = options;
  const work = createBackgroundWork(clock);
  const lookup = createTxtLookup(options.dnsServer);
  const ca: Ca = {
    ...around,
    save: () => store.save(around.state),
    now: () => clock.now(),
    reuse: options.authorizationReuse ?? false,
    retryAfter: createRetryAfter(clock),
    retryAfterSeconds: options.retryAfterSeconds ?? { authorization: 0, order: 0 },
    validate: (id) => work.start(() => validate(ca, lookup, id)),
    issue: (id) => work.start(() => issue(ca, lifetimeDays, id)),
  };
  return {
    ca,
    work,
    stop: () => {
      lookup.close();
      return work.stop();
    },
  };
}

/** Seconds and an HTTP date in turn: a client must read both forms (RFC 9110 section 10.2.3). */
function createRetryAfter(clock: Clock): Ca['retryAfter'] {
  let sent = 0;
  return (seconds) => {
    if (seconds <= 0) return {};
    sent += 1;
    if (sent % 2 === 1) return { 'retry-after': String(seconds) };
    const moment = new Date(clock.now().getTime() + seconds * 1000);
    return { 'retry-after': moment.toUTCString() };
  };
}
