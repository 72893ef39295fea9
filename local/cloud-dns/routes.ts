import type { Clock } from '../clock.ts';
import type { Call, Route } from '../google-api.ts';
import { changedZone, type Lateness, QUOTA } from './changes.ts';
import { invalid, notFound, required } from './faults.ts';
import { page, parameter } from './paging.ts';
import { policyOf, withPolicy } from './policy.ts';
import { type Change, type CloudDnsState, recordKey, withZone, type Zone } from './state.ts';
import {
  findZone,
  parseNewZone,
  updatedZone,
  withNewZone,
  withoutZone,
  zoneResource,
} from './zones.ts';

/** The state in memory; `write` saves it before it returns. */
export type Database = Readonly<{
  read(): CloudDnsState;
  write(next: CloudDnsState): void;
}>;

/** What the handlers work with. */
export type Service = Readonly<{ database: Database; clock: Clock; lateness: Lateness }>;

const ZONES = '/dns/v1/projects/{project}/managedZones';
const ZONE = `${ZONES}/{zone}`;

/** The part of https://cloud.google.com/dns/docs/reference/rest/v1 that Certherd and Terraform use. */
export function cloudDnsRoutes(service: Service): readonly Route[] {
  const on =
    <Rest extends readonly unknown[]>(handle: (service: Service, ...rest: Rest) => unknown) =>
    (...rest: Rest) =>
      handle(service, ...rest);
  return [
    { method: 'GET', template: '/dns/v1/projects/{project}', handle: project },
    { method: 'GET', template: ZONES, handle: on(listZones) },
    { method: 'POST', template: ZONES, handle: on(createZone) },
    { method: 'GET', template: ZONE, handle: (call) => zoneResource(zoneOf(service, call)) },
    { method: 'PUT', template: ZONE, handle: on((it, call: Call) => update(it, call, 'nothing')) },
    { method: 'PATCH', template: ZONE, handle: on((it, call: Call) => update(it, call, 'all')) },
    { method: 'DELETE', template: ZONE, handle: on(deleteZone) },
    {
      method: 'POST',
      template: `${ZONE}:getIamPolicy`,
      handle: (call) => policyOf(zoneOf(service, call)),
    },
    { method: 'POST', template: `${ZONE}:setIamPolicy`, handle: on(setPolicy) },
    { method: 'GET', template: `${ZONE}/rrsets`, handle: on(listRecordSets) },
    { method: 'GET', template: `${ZONE}/changes`, handle: on(listChanges) },
    { method: 'POST', template: `${ZONE}/changes`, handle: on(createChange) },
    { method: 'GET', template: `${ZONE}/changes/{change}`, handle: on(getChange) },
  ];
}

const zoneOf = ({ database }: Service, { path }: Call): Zone =>
  findZone(database.read(), path.project ?? '', path.zone ?? '');

function project({ path }: Call) {
  return {
    kind: 'dns#project',
    id: path.project,
    number: '123456789012',
    quota: { kind: 'dns#quota', ...QUOTA },
  };
}

function listZones({ database }: Service, { path, query }: Call) {
  const dnsName = parameter(query, 'dnsName');
  const zones = database
    .read()
    .zones.filter((zone) => zone.project === path.project)
    .filter((zone) => dnsName === undefined || zone.dnsName === dnsName);
  const { items, nextPageToken } = page(zones, query, {
    key: ({ name }) => name,
    order: 'ascending',
  });
  return {
    kind: 'dns#managedZonesListResponse',
    managedZones: items.map(zoneResource),
    nextPageToken,
  };
}

function createZone({ database, clock }: Service, { path, body }: Call) {
  const wanted = { ...parseNewZone(body), project: path.project ?? '', now: clock.now() };
  const next = withNewZone(database.read(), wanted);
  database.write(next);
  return zoneResource(findZone(next, wanted.project, wanted.name));
}

function update(service: Service, call: Call, keep: 'all' | 'nothing') {
  const zone = zoneOf(service, call);
  const next = updatedZone(zone, call.body, keep);
  service.database.write(withZone(service.database.read(), next));
  return {
    kind: 'dns#operation',
    id: `${zone.id}-${service.clock.now().getTime()}`,
    startTime: service.clock.now().toISOString(),
    status: 'done',
    type: 'update',
    zoneContext: { oldValue: zoneResource(zone), newValue: zoneResource(next) },
  };
}

function deleteZone(service: Service, call: Call) {
  const { database } = service;
  database.write(withoutZone(database.read(), zoneOf(service, call)));
}

function setPolicy(service: Service, call: Call) {
  const zone = withPolicy(zoneOf(service, call), call.body);
  service.database.write(withZone(service.database.read(), zone));
  return policyOf(zone);
}

function listRecordSets(service: Service, call: Call) {
  const name = parameter(call.query, 'name')?.toLowerCase();
  const type = parameter(call.query, 'type');
  if (parameter(call.query, 'filter')) throw invalid('parameters.filter', 'not implemented');
  if (type && !name) throw required('parameters.name');
  const sets = Object.values(zoneOf(service, call).recordSets).filter(
    (set) => (!name || set.name === name) && (!type || set.type === type),
  );
  const { items, nextPageToken } = page(sets, call.query, { key: recordKey, order: 'ascending' });
  return {
    kind: 'dns#resourceRecordSetsListResponse',
    rrsets: items.map(recordSetResource),
    nextPageToken,
  };
}

const recordSetResource = (set: Zone['recordSets'][string]) => ({
  kind: 'dns#resourceRecordSet',
  ...set,
});

function createChange(service: Service, call: Call) {
  const { clock, database, lateness } = service;
  const zone = changedZone(zoneOf(service, call), call.body, { ...lateness, now: clock.now() });
  database.write(withZone(database.read(), zone));
  return changeResource(service, zone.changes.at(-1));
}

function getChange(service: Service, call: Call) {
  const id = call.path.change ?? '';
  const change = zoneOf(service, call).changes.find((other) => other.id === id);
  if (!change) throw notFound('parameters.changeId', id);
  return changeResource(service, change);
}

function listChanges(service: Service, call: Call) {
  const order = parameter(call.query, 'sortOrder') ?? 'ascending';
  if (order !== 'ascending' && order !== 'descending') throw invalid('parameters.sortOrder', order);
  const sortBy = parameter(call.query, 'sortBy') ?? 'changeSequence';
  if (sortBy !== 'changeSequence') throw invalid('parameters.sortBy', sortBy);
  const { changes } = zoneOf(service, call);
  const { items, nextPageToken } = page(changes, call.query, {
    key: ({ id }) => id.padStart(12, '0'),
    order,
  });
  return {
    kind: 'dns#changesListResponse',
    changes: items.map((change) => changeResource(service, change)),
    nextPageToken,
  };
}

function changeResource({ clock }: Service, change: Change | undefined) {
  if (!change) return undefined;
  const { id, startTime, additions, deletions } = change;
  return {
    kind: 'dns#change',
    ...{ id, startTime },
    status: change.doneAt <= clock.now().getTime() ? 'done' : 'pending',
    ...(additions.length > 0 && { additions: additions.map(recordSetResource) }),
    ...(deletions.length > 0 && { deletions: deletions.map(recordSetResource) }),
  };
}
