import { askByHand, type ManualOutcome, renewByHand } from '../../shared/jobs/manual.ts';
import type { ApiPorts } from '../dependencies.ts';
import { requireRole } from './access.ts';
import { emptyBody, logAsked, parsedBody, waitSeconds } from './body.ts';
import { certificateRequest } from './certificate-request.ts';
import { ApiProblem } from './problem.ts';
import { deliveredThrough, lookThrough } from './reconcile-answers.ts';
import type { ApiCall, ApiReply } from './router.ts';
import type { InvalidRecord } from './status.ts';
import { certificateView } from './view.ts';
import { waited } from './waiting.ts';

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
  const order = parsedBody(request, certificateRequest(settings.rules));
  if (order.targets.length === 0)
    requireRole(caller, 'admin', 'ask for a certificate without naming a Secret that gets it');
  logAsked(call, order);
  const outcome = await askByHand(
    { ...order, by: caller.member },
    { ...ports, look: lookThrough(ports) },
    settings.rules,
  );
  return answered(outcome, wait, ports);
}

/** POST /v1/certificates/{id}:renew */
export async function renewCertificate(call: ApiCall): Promise<ApiReply> {
  const { request, caller, id, ports } = call;
  requireRole(caller, 'operator', 'renew certificates');
  const wait = waitSeconds(request);
  logAsked(call, parsedBody(request, emptyBody));
  return answered(await renewByHand(id, ports), wait, ports);
}

/** POST /v1/certificates/{id}:deliver */
export async function deliverCertificate(call: ApiCall): Promise<ApiReply> {
  const { request, caller, id, ports } = call;
  requireRole(caller, 'operator', 'have certificates delivered');
  logAsked(call, parsedBody(request, emptyBody));
  const stored = await ports.records.read(id);
  if (!stored) throw new ApiProblem('not-found', `there is no certificate ${id}`);
  await deliveredThrough(ports, id);
  return { status: 202, body: certificateView(stored, ports.time.now()) };
}

async function answered(
  outcome: ManualOutcome,
  waitForSeconds: number,
  ports: ApiPorts,
): Promise<ApiReply> {
  if (outcome.state === 'refused') throw new ApiProblem(outcome.reason, outcome.message);
  const { id } = outcome.before;
  const { stored, reached } = await waited(outcome, waitForSeconds * 1000, ports);
  const certificate = certificateView(stored, ports.time.now());
  const headers = { location: `/v1/certificates/${id}` };
  if (reached.state === 'failed')
    throw new ApiProblem(`${reached.what}-failed`, reached.message, { headers, certificate });
  const isDone = reached.state === 'done' && waitForSeconds > 0;
  return { status: isDone ? 200 : 202, headers, body: certificate };
}
