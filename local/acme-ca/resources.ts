import { accountDocument, registration, updatedAccount } from './accounts.ts';
import { authorization, challenge } from './authorization-resources.ts';
import { type Ca, notFound, postAsGet } from './ca.ts';
import type { AccountCall, Page, Reply, Resource } from './http.ts';
import { finalize, newOrder, order } from './order-resources.ts';
import { AcmeProblem } from './problem.ts';
import { entryOf } from './state.ts';

/** The directory's pages and the resources behind it (RFC 8555 section 7.1). */
export function routesOf(ca: Ca): Readonly<Record<string, Page | Resource>> {
  const forAccount = (answer: (ca: Ca, call: AccountCall) => Reply | Promise<Reply>): Resource => ({
    signedBy: 'account',
    answer: (call) => answer(ca, call),
  });
  return {
    '/directory': { signedBy: 'nobody', answer: () => ({ status: 200, body: directory(ca) }) },
    '/new-nonce': {
      signedBy: 'nobody',
      answer: (method) => ({ status: method === 'HEAD' ? 200 : 204 }),
    },
    '/terms': { signedBy: 'nobody', answer: () => terms },
    '/new-account': {
      signedBy: 'key',
      answer: ({ jwk, payload }) => {
        const { account, isNew } = registration(ca.state, jwk, payload);
        ca.state.accounts[account.id] = account;
        if (isNew) ca.save();
        return {
          status: isNew ? 201 : 200,
          headers: { location: `${ca.base()}/account/${account.id}` },
          body: accountDocument(account),
        };
      },
    },
    '/account/{id}': forAccount(account),
    '/new-order': forAccount(newOrder),
    '/order/{id}': forAccount(order),
    '/finalize/{id}': forAccount(finalize),
    '/authorization/{id}': forAccount(authorization),
    '/challenge/{id}': forAccount(challenge),
    '/certificate/{id}': forAccount(certificate),
  };
}

const terms: Reply = {
  status: 200,
  headers: { 'content-type': 'text/plain' },
  body: 'This CA exists on one machine only. Trust it nowhere else.\n',
};

const directory = (ca: Ca) => ({
  newNonce: `${ca.base()}/new-nonce`,
  newAccount: `${ca.base()}/new-account`,
  newOrder: `${ca.base()}/new-order`,
  meta: { termsOfService: `${ca.base()}/terms`, externalAccountRequired: false },
});

function account(ca: Ca, call: AccountCall): Reply {
  if (call.account.id !== call.id)
    throw new AcmeProblem('unauthorized', 'the request was not signed by the key of this account');
  if (call.payload === '') return { status: 200, body: accountDocument(call.account) };
  const updated = updatedAccount(call.account, call.payload);
  ca.state.accounts[updated.id] = updated;
  ca.save();
  return { status: 200, body: accountDocument(updated) };
}

function certificate(ca: Ca, call: AccountCall): Reply {
  postAsGet(call);
  const found = entryOf(ca.state.certificates, call.id);
  if (!found) throw notFound(`no certificate ${call.id}`);
  if (found.account !== call.account.id)
    throw new AcmeProblem('unauthorized', 'the certificate was issued to another account');
  return {
    status: 200,
    headers: { 'content-type': 'application/pem-certificate-chain' },
    body: found.chain,
  };
}
