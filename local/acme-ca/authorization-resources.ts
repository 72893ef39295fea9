import { z } from 'zod';
import { type Ca, notFound } from './ca.ts';
import { type AccountCall, link, type Reply } from './http.ts';
import { parsed } from './jws.ts';
import { statusOfAuthorization } from './orders.ts';
import { AcmeProblem } from './problem.ts';
import { type Authorization, entryOf } from './state.ts';

/** An authorization, read or deactivated (RFC 8555 sections 7.5 and 7.5.2). */
export function authorization(ca: Ca, call: AccountCall): Reply {
  const found = ownAuthorization(ca, call);
  if (call.payload !== '') return deactivation(ca, found, call.payload);
  return authorizationReply(ca, found);
}

function authorizationReply(ca: Ca, found: Authorization): Reply {
  const status = statusOfAuthorization(found, ca.now());
  const waits = status === 'pending' && found.challenge === 'processing';
  return {
    status: 200,
    headers: waits ? ca.retryAfter(ca.retryAfterSeconds.authorization) : {},
    body: {
      status,
      expires: found.expires,
      identifier: { type: 'dns', value: found.name },
      challenges: [challengeDocument(ca, found)],
      ...(found.wildcard && { wildcard: true }),
    },
  };
}

function deactivation(ca: Ca, found: Authorization, payload: string): Reply {
  const wanted = z.object({ status: z.literal('deactivated') });
  parsed(wanted, payload, 'the authorization update');
  const status = statusOfAuthorization(found, ca.now());
  if (status !== 'pending' && status !== 'valid')
    throw new AcmeProblem('malformed', `an authorization that is ${status} cannot be deactivated`);
  const gone = { ...found, deactivated: true };
  ca.state.authorizations[gone.id] = gone;
  ca.save();
  return authorizationReply(ca, gone);
}

/** A challenge, read or answered (section 7.5.1). Like Pebble it can be answered only while it is pending. */
export function challenge(ca: Ca, call: AccountCall): Reply {
  const found = ownAuthorization(ca, call);
  if (call.payload === '') return challengeReply(ca, found);
  if (call.payload !== '{}')
    throw new AcmeProblem('malformed', 'the payload that answers a challenge must be {}');
  if (found.challenge !== 'pending' || statusOfAuthorization(found, ca.now()) !== 'pending')
    throw new AcmeProblem(
      'malformed',
      `Cannot update challenge with status ${found.challenge}, only status pending`,
    );
  const answered: Authorization = { ...found, challenge: 'processing' };
  ca.state.authorizations[answered.id] = answered;
  ca.save();
  ca.validate(answered.id);
  return challengeReply(ca, answered);
}

const challengeReply = (ca: Ca, found: Authorization): Reply => ({
  status: 200,
  links: [link(`${ca.base()}/authorization/${found.id}`, 'up')],
  body: challengeDocument(ca, found),
});

const challengeDocument = (ca: Ca, found: Authorization) => ({
  type: 'dns-01',
  url: `${ca.base()}/challenge/${found.id}`,
  token: found.token,
  status: found.challenge,
  ...(found.validated && { validated: found.validated }),
  ...(found.error && { error: found.error }),
});

function ownAuthorization(ca: Ca, call: AccountCall): Authorization {
  const found = entryOf(ca.state.authorizations, call.id);
  if (!found) throw notFound(`no authorization ${call.id}`);
  if (found.account !== call.account.id)
    throw new AcmeProblem('unauthorized', 'the authorization belongs to another account');
  return found;
}
