import { requireRole } from './access.ts';
import { backup } from './backup.ts';
import { emptyBody, logAsked, parsedBody } from './body.ts';
import {
  askForCertificate,
  deliverCertificate,
  listCertificates,
  readCertificate,
  renewCertificate,
} from './certificates.ts';
import { PAGE_POLICY, statusPage } from './page.ts';
import { planThrough, zonesThrough } from './reconcile-answers.ts';
import type { ApiCall, ApiReply, ApiRoute } from './router.ts';
import { readings, statusDocument } from './status.ts';

/** Everything the api answers, but for /health. */
export const ROUTES: readonly ApiRoute[] = [
  { method: 'GET', path: '/', handle: page },
  { method: 'GET', path: '/v1/status', handle: status },
  { method: 'GET', path: '/v1/plan', handle: plan },
  { method: 'POST', path: '/v1/run', handle: run },
  { method: 'GET', path: '/v1/certificates', handle: listCertificates },
  { method: 'POST', path: '/v1/certificates', handle: askForCertificate },
  { method: 'GET', path: '/v1/certificates/{id}', handle: readCertificate },
  { method: 'POST', path: '/v1/certificates/{id}:renew', handle: renewCertificate },
  { method: 'POST', path: '/v1/certificates/{id}:deliver', handle: deliverCertificate },
  { method: 'GET', path: '/v1/backup', handle: backup },
  { method: 'GET', path: '/v1/zones', handle: zones },
  { method: 'GET', path: '/v1/configuration', handle: configuration },
];

async function page({ ports }: ApiCall): Promise<ApiReply> {
  return { status: 200, html: statusPage(await readings(ports)), policy: PAGE_POLICY };
}

async function status({ ports }: ApiCall): Promise<ApiReply> {
  return { status: 200, body: statusDocument(await readings(ports)) };
}

async function plan({ ports }: ApiCall): Promise<ApiReply> {
  return { status: 200, body: await planThrough(ports) };
}

async function run(call: ApiCall): Promise<ApiReply> {
  const { request, caller, ports } = call;
  requireRole(caller, 'operator', 'start a run');
  logAsked(call, parsedBody(request, emptyBody));
  await ports.schedule.run();
  return { status: 202, body: { started: true } };
}

async function zones({ caller, ports }: ApiCall): Promise<ApiReply> {
  requireRole(caller, 'operator', 'have the zones tried out');
  return { status: 200, body: await zonesThrough(ports) };
}

// No key is in it: keys and kubeconfigs are named, and lie in Secret Manager.
async function configuration({ caller, settings }: ApiCall): Promise<ApiReply> {
  requireRole(caller, 'operator', 'read the configuration');
  return { status: 200, body: settings.config };
}
