import type { StoredRecord } from '../../shared/domain/record.ts';
import { CertificateError } from '../../shared/errors.ts';
import {
  type Accepted,
  askByHand,
  type ManualOutcome,
  progress,
  renewByHand,
} from '../../shared/jobs/manual.ts';
import type { ApiPorts } from '../dependencies.ts';
import { requireRole } from './access.ts';
import { emptyBody, parsedBody, waitSeconds } from './body.ts';
import { certificateRequest } from './certificate-request.ts';
import { ApiProblem } from './problem.ts';
import { lookThrough } from './reconcile-answers.ts';
import type { ApiCall, ApiReply } from './router.ts';
import type { InvalidRecord } from './status.ts';
import { certificateView } from './view.ts';

/** GET /v1/certificates */
export async function listCertificates({ ports }: ApiCall): Promise<ApiReply> {
  const now = ports.time.now();
  const invalid: InvalidRecord[] = [];
  const records = await ports.records.list((id, problem) => invalid.push({ id, problem }));
  const certificates = records
    .map((stored) => certificateView(stored, now))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  return { status: 200, body: { certificates, invalid } };
}

/** GET /v1/certificates/{id} */
export async function readCertificate({ id, ports }: ApiCall): Promise<ApiReply> {
  const stored = await ports.records.read(id);
  if (!stored) throw new ApiProblem('not-found', `there is no certificate ${id}`);
  return { status: 200, body: certificateView(stored, ports.time.now()) };
}

/** POST /v1/certificates */
export async function askForCertificate(call: ApiCall): Promise<ApiReply> {
  const { request, caller, ports, settings } = call;
  requireRole(caller, 'operator', 'ask for certificates');
  const wait = waitSeconds(request);
  const asked = parsedBody(request, certificateRequest(settings.rules));
  if (asked.targets.length === 0)
    requireRole(caller, 'admin', 'ask for a certificate without naming a Secret that gets it');
  const outcome = await askByHand(
    { ...asked, by: caller.member },
    { ...ports, look: lookThrough(ports) },
    settings.rules,
  );
  return answered(outcome, wait, ports);
}

/** POST /v1/certificates/{id}:renew */
export async function renewCertificate({ request, caller, id, ports }: ApiCall): Promise<ApiReply> {
  requireRole(caller, 'operator', 'renew certificates');
  const wait = waitSeconds(request);
  parsedBody(request, emptyBody);
  return answered(await renewByHand(id, ports), wait, ports);
}

async function answered(
  outcome: ManualOutcome,
  waitForSeconds: number,
  ports: ApiPorts,
): Promise<ApiReply> {
  if (outcome.state === 'refused') throw new ApiProblem(outcome.reason, outcome.message);
  const { id } = outcome.before;
  const { stored, state } = await waited(outcome, waitForSeconds * 1000, ports);
  const view = certificateView(stored, ports.time.now());
  const headers = { location: `/v1/certificates/${id}` };
  if (state === 'failed')
    throw new ApiProblem('certificate-failed', `${view.failure?.code}: ${view.failure?.message}`, {
      headers,
      certificate: view,
    });
  return { status: state === 'done' && waitForSeconds > 0 ? 200 : 202, headers, body: view };
}

const POLL_MS = [250, 250, 500] as const;

/** Reads the record again until the request has come to its end, or the time is over. */
async function waited(
  accepted: Accepted,
  ms: number,
  ports: ApiPorts,
): Promise<Readonly<{ stored: StoredRecord; state: ReturnType<typeof progress> }>> {
  const { time, records } = ports;
  const until = time.now().getTime() + ms;
  let stored = accepted.before;
  for (let poll = 0; ; poll += 1) {
    const state = progress(accepted, stored.record);
    const left = until - time.now().getTime();
    if (state !== 'open' || left <= 0) return { stored, state };
    await time.sleep(Math.min(left, POLL_MS[poll] ?? 1000));
    stored = (await readIfPossible(records, stored.id)) ?? stored;
  }
}

// The request was accepted: a moment in which its record cannot be read must not make it look refused.
async function readIfPossible(
  records: ApiPorts['records'],
  id: string,
): Promise<StoredRecord | undefined> {
  try {
    return await records.read(id);
  } catch (error) {
    if (error instanceof CertificateError && error.retryable) return undefined;
    throw error;
  }
}
