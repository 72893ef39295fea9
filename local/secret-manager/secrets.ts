import type { Call } from '../google-api.ts';
import { GoogleFault } from '../google-api.ts';
import { noPolicy, type Policy, replacedPolicy } from '../wire/policy.ts';
import type { Desk } from './desk.ts';
import { type Changeable, checkedSecretId, newSecretFields, secretPatch } from './fields.ts';
import { filterTest, pageOf } from './list.ts';
import {
  checkEtag,
  nextChange,
  nextEtag,
  projectName,
  type Secret,
  type StoredSecret,
  secretName,
  storedSecret,
} from './state.ts';

/** projects.secrets.create */
export function createSecret({ state, clock, events, save }: Desk, call: Call): Secret {
  const id = checkedSecretId(call.query.get('secretId'));
  const name = secretName(state, call.path.project as string, id);
  const fields = newSecretFields(call.body);
  if (state.secrets[name])
    throw new GoogleFault('ALREADY_EXISTS', `Secret [${name}] already exists.`);
  checkAliases(fields, []);
  const createTime = clock.now().toISOString();
  const secret = { name, createTime, ...fields, etag: nextEtag(state) };
  events.topicsConfigured(secret);
  state.secrets[name] = { born: nextChange(state), secret, versions: [] };
  save();
  events.secret('SECRET_CREATE', secret);
  return secret;
}

/** projects.secrets.get */
export function getSecret({ state }: Desk, call: Call): Secret {
  return named(state, call).secret;
}

/** projects.secrets.list, newest first. `totalSize` is left out beside a filter, as in the real service. */
export function listSecrets({ state }: Desk, { path, query }: Call) {
  const prefix = `${projectName(state, path.project as string)}/secrets/`;
  const filter = query.get('filter');
  const test = filterTest(filter, ['labels', 'name']);
  const wanted = Object.values(state.secrets)
    .filter(({ secret }) => secret.name.startsWith(prefix))
    .filter(({ secret }) => test({ ...secret, name: secret.name.slice(prefix.length) }))
    .reverse();
  const { items, ...next } = pageOf(wanted, ({ born }) => born, query);
  return {
    secrets: items.map(({ secret }) => secret),
    ...next,
    ...(filter ? {} : { totalSize: wanted.length }),
  };
}

/** projects.secrets.patch: replaces what the mask names and gives the secret a new etag, even when nothing differs. */
export function patchSecret({ state, events, save }: Desk, call: Call): Secret {
  const stored = named(state, call);
  const patch = secretPatch(call.query.get('updateMask'), call.body);
  checkEtag(patch.etag, stored.secret.etag);
  checkAliases(patch.values, stored.versions);
  const kept = Object.entries(stored.secret).filter(
    ([field]) => !patch.fields.has(field as keyof Changeable),
  );
  const secret: Secret = {
    ...(Object.fromEntries(kept) as Omit<Secret, keyof Changeable>),
    ...patch.values,
    etag: nextEtag(state),
  };
  if (patch.fields.has('topics')) events.topicsConfigured(secret);
  state.secrets[secret.name] = { ...stored, secret };
  save();
  events.secret('SECRET_UPDATE', secret);
  return secret;
}

/** projects.secrets.delete: the secret and all its versions, for good. */
export function deleteSecret({ state, events, save }: Desk, call: Call): Record<string, never> {
  const { secret } = named(state, call);
  checkEtag(call.query.get('etag') ?? undefined, secret.etag);
  delete state.secrets[secret.name];
  save();
  events.secret('SECRET_DELETE', secret);
  return {};
}

/** projects.secrets.getIamPolicy */
export function getPolicy({ state }: Desk, call: Call): Policy {
  return named(state, call).policy ?? noPolicy;
}

/** projects.secrets.setIamPolicy */
export function setPolicy({ state, save }: Desk, call: Call): Policy {
  const stored = named(state, call);
  const policy = replacedPolicy(stored.policy ?? noPolicy, call.body, nextChange(state));
  state.secrets[stored.secret.name] = { ...stored, policy };
  save();
  return policy;
}

function named(state: Desk['state'], { path }: Call): StoredSecret {
  return storedSecret(state, secretName(state, path.project as string, path.secret as string));
}

function checkAliases(fields: Changeable, versions: StoredSecret['versions']): void {
  for (const [alias, version] of Object.entries(fields.versionAliases ?? {}))
    if (!versions[Number(version) - 1])
      throw new GoogleFault(
        'INVALID_ARGUMENT',
        `The version alias [${alias}] points to the version [${version}], which does not exist.`,
      );
}
