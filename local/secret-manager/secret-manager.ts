import type { Clock } from '../clock.ts';
import { type Call, type GoogleApiOptions, type Route, serveGoogleApi } from '../google-api.ts';
import type { Store } from '../state.ts';
import { grantedPermissions } from '../wire/policy.ts';
import type { Desk } from './desk.ts';
import { createEvents, type Publish } from './events.ts';
import { documentedLimits, type Limiter, unlimited } from './limits.ts';
import {
  createSecret,
  deleteSecret,
  getPolicy,
  getSecret,
  listSecrets,
  patchSecret,
  setPolicy,
} from './secrets.ts';
import { emptyState, projectName, type SecretManagerState } from './state.ts';
import { accessVersion, addVersion, changeState, getVersion, listVersions } from './versions.ts';

export type SecretManager = Readonly<{ url: string; close(): Promise<void> }>;

export type SecretManagerOptions = Pick<GoogleApiOptions, 'recorder' | 'before' | 'port'> &
  Readonly<{
    store: Store<SecretManagerState>;
    clock: Clock;
    publish: Publish;
    /** Refuses what exceeds the documented rates with 429 RESOURCE_EXHAUSTED. */
    limits?: boolean;
  }>;

/**
 * A stand-in for Secret Manager's REST API v1, global secrets only. Project ids and numbers both name a project;
 * replies use the number, 123456789012 for the first project. Every caller may do everything.
 */
export async function startSecretManager(options: SecretManagerOptions): Promise<SecretManager> {
  const { store, clock, publish } = options;
  const state = store.load() ?? emptyState();
  const desk = {
    state,
    clock,
    events: createEvents(clock, publish),
    save: () => store.save(state),
  };
  const limiter = options.limits ? documentedLimits(clock) : unlimited;
  return serveGoogleApi({ ...options, service: 'secretmanager', routes: routes(desk, limiter) });
}

type Handle = (desk: Desk, call: Call) => unknown;

const SECRETS = '/v1/projects/{project}/secrets';
const SECRET = `${SECRETS}/{secret}`;
const VERSION = `${SECRET}/versions/{version}`;

function routes(desk: Desk, limiter: Limiter): Route[] {
  const counted = (limits: readonly Parameters<Limiter>[0][], handle: Handle) => (call: Call) => {
    for (const limit of limits) limiter(limit, resource(desk, limit, call));
    return handle(desk, call);
  };
  const read = (handle: Handle) => counted(['read'], handle);
  const write = (handle: Handle) => counted(['write'], handle);
  const change = (handle: Handle) => counted(['write', 'secret-change'], handle);
  const turn = (to: Parameters<typeof changeState>[1]) =>
    counted(['write', 'version-change'], (_, call) => changeState(desk, to, call));
  return [
    { method: 'GET', template: SECRETS, handle: read(listSecrets) },
    { method: 'POST', template: SECRETS, handle: write(createSecret) },
    { method: 'GET', template: SECRET, handle: read(getSecret) },
    { method: 'PATCH', template: SECRET, handle: change(patchSecret) },
    { method: 'DELETE', template: SECRET, handle: write(deleteSecret) },
    { method: 'POST', template: `${SECRET}:addVersion`, handle: change(addVersion) },
    { method: 'GET', template: `${SECRET}:getIamPolicy`, handle: read(getPolicy) },
    { method: 'POST', template: `${SECRET}:setIamPolicy`, handle: write(setPolicy) },
    { method: 'POST', template: `${SECRET}:testIamPermissions`, handle: read(testPermissions) },
    { method: 'GET', template: `${SECRET}/versions`, handle: read(listVersions) },
    { method: 'GET', template: VERSION, handle: read(getVersion) },
    { method: 'GET', template: `${VERSION}:access`, handle: counted(['access'], accessVersion) },
    { method: 'POST', template: `${VERSION}:enable`, handle: turn('enable') },
    { method: 'POST', template: `${VERSION}:disable`, handle: turn('disable') },
    { method: 'POST', template: `${VERSION}:destroy`, handle: turn('destroy') },
  ];
}

function testPermissions(desk: Desk, call: Call) {
  getSecret(desk, call);
  return grantedPermissions(call.body);
}

function resource({ state }: Desk, limit: Parameters<Limiter>[0], { path }: Call): string {
  const project = projectName(state, path.project as string);
  if (limit === 'secret-change') return `${project}/secrets/${path.secret}`;
  if (limit === 'version-change')
    return `${project}/secrets/${path.secret}/versions/${path.version}`;
  return project;
}
