import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LOCAL_PERSON } from '../../../local/accounts.ts';
import { LegacyGoogleFault } from '../../../local/google-api.ts';
import { KubernetesFault } from '../../../local/kubernetes/kubernetes.ts';
import type { KubernetesObject } from '../../../local/kubernetes/object.ts';
import { targetKey } from '../../../shared/domain/grouping.ts';
import { removeSecret, served } from '../../integration/system/hands.ts';
import { ingress, type Running, running } from '../../integration/system/running.ts';

const DOCUMENT = {
  issuers: {
    test: { directory: 'https://ca.test/directory' },
    second: { directory: 'https://ca.test/directory' },
  },
  defaultIssuer: 'test',
  clusters: [
    {
      name: 'one',
      ingressClasses: ['nginx', 'internal'],
      allow: [
        { namespaces: ['web'], names: ['a.test'] },
        { namespaces: ['wild'], names: ['a.test'], wildcards: true },
        { namespaces: ['poor'], names: ['poor.a.test'] },
      ],
    },
  ],
  wildcards: ['w.a.test'],
  certificates: [
    { cluster: 'one', namespace: 'infra', secret: 'configured', names: ['*.infra.a.test'] },
    { cluster: 'one', namespace: 'infra', secret: 'misplaced', names: ['x.outside.example'] },
  ],
};

const OPT_IN = 'kubernetes.io/tls-acme';
const CLASS = 'kubernetes.io/ingress.class';
const opted = (value: string) => ({ annotations: { [OPT_IN]: value } });
const classed = (name: string) => ({ annotations: { [OPT_IN]: 'true', [CLASS]: name } });
const issuer = (name: string) => ({ annotations: { 'certherd/issuer': name } });
const manyHosts = (count: number) => Array.from({ length: count }, (_, n) => `h${n}.many.a.test`);

/** An Ingress whose tls entries are replaced. */
function withTls(object: KubernetesObject, tls: readonly object[]): KubernetesObject {
  return { ...object, spec: { ...(object.spec as object), tls } };
}

/** The name of the Ingress and of its Secret, what asks, and what comes of it: the names and issuer in the Secret, a refusal, or nothing. */
type Row = readonly [string, KubernetesObject | readonly KubernetesObject[], string];

const NOTHING = 'nothing';

const ROWS: readonly Row[] = [
  ...['true', 'TRUE', 't', '1'].map((value): Row => {
    const name = `opt-${value.toLowerCase()}-${value === 'TRUE' ? 'upper' : 'lower'}`;
    return [name, ingress(name, [`${name}.a.test`], name, opted(value)), `${name}.a.test by test`];
  }),
  ...['false', 'yes', ''].map((value): Row => {
    const name = `opt-out-${value || 'empty'}`;
    return [name, ingress(name, [`${name}.a.test`], name, opted(value)), NOTHING];
  }),
  ['absent', ingress('absent', ['absent.a.test'], 'absent', { annotations: {} }), NOTHING],
  [
    'class-ours',
    ingress('class-ours', ['co.a.test'], 'class-ours', { className: 'internal' }),
    'co.a.test by test',
  ],
  [
    'class-other',
    ingress('class-other', ['cx.a.test'], 'class-other', { className: 'traefik' }),
    NOTHING,
  ],
  [
    'class-legacy',
    ingress('class-legacy', ['cl.a.test'], 'class-legacy', classed('nginx')),
    'cl.a.test by test',
  ],
  [
    'class-legacy-other',
    ingress('class-legacy-other', ['clo.a.test'], 'class-legacy-other', classed('gce')),
    NOTHING,
  ],
  [
    'issuer',
    ingress('issuer', ['issuer.a.test'], 'issuer', issuer('second')),
    'issuer.a.test by second',
  ],
  [
    'issuer-unknown',
    ingress('issuer-unknown', ['iu.a.test'], 'issuer-unknown', issuer('third')),
    'issuer-unknown: there is no issuer third; the configuration has test, second',
  ],
  [
    'issuers-two',
    [
      ingress('issuers-two', ['it.a.test'], 'issuers-two', issuer('test')),
      ingress('issuers-two-b', ['itb.a.test'], 'issuers-two', issuer('second')),
    ],
    'issuers-conflict: Secret issuers-two is asked for from issuer test by Ingress web/issuers-two and from second by Ingress web/issuers-two-b; name one issuer or two Secrets',
  ],
  [
    'no-secret',
    withTls(ingress('no-secret', ['ns.a.test'], ''), [{ hosts: ['ns.a.test'] }]),
    'secret-name-missing: a tls entry (ns.a.test) names no Secret; set secretName',
  ],
  [
    'rule-hosts',
    withTls(ingress('rule-hosts', ['rh.a.test', 'rh2.a.test'], ''), [{ secretName: 'rule-hosts' }]),
    'rh.a.test,rh2.a.test by test',
  ],
  [
    'no-hosts',
    {
      ...ingress('no-hosts', [], ''),
      spec: {
        defaultBackend: { service: { name: 'web', port: { number: 80 } } },
        tls: [{ secretName: 'no-hosts' }],
      },
    },
    'hosts-missing: Secret no-hosts is named for no host; list hosts in the tls entry or in a rule',
  ],
  [
    'outside',
    ingress('outside', ['ok.a.test', 'www.example.org'], 'outside'),
    'host-outside-zones: host www.example.org lies in none of the public zones; create its zone in a project under "zones", or add a suffix to "delegated" whose _acme-challenge is a CNAME into one',
  ],
  [
    'address',
    withTls(ingress('address', ['ad.a.test'], ''), [
      { hosts: ['10.1.2.3'], secretName: 'address' },
    ]),
    'host-invalid: host "10.1.2.3" is an IP address; only DNS names can be proven by DNS-01',
  ],
  [
    'too-many',
    ingress('too-many', manyHosts(101), 'too-many'),
    'too-many-names: Secret too-many is asked for with 101 names; a certificate holds at most 100, so split it into several Secrets',
  ],
  [
    'poor-granted',
    ingress('poor-granted', ['x.poor.a.test'], 'poor-granted', { namespace: 'poor' }),
    'x.poor.a.test by test',
  ],
  [
    'poor-refused',
    ingress('poor-refused', ['rich.a.test'], 'poor-refused', { namespace: 'poor' }),
    'host-not-allowed: no rule gives rich.a.test to namespace poor; add it to "allow" of cluster one',
  ],
  [
    'star-granted',
    ingress('star-granted', ['*.s.a.test', 's.a.test'], 'star-granted', { namespace: 'wild' }),
    '*.s.a.test,s.a.test by test',
  ],
  [
    'star-refused',
    ingress('star-refused', ['*.a.test'], 'star-refused'),
    'host-not-allowed: no rule gives *.a.test to namespace web; add it to "allow" of cluster one with wildcards: true',
  ],
  [
    'shared-star',
    ingress('shared-star', ['one.w.a.test'], 'shared-star', { namespace: 'wild' }),
    '*.w.a.test by test',
  ],
  [
    'shared-star-too',
    ingress('shared-star-too', ['two.w.a.test'], 'shared-star-too', { namespace: 'wild' }),
    '*.w.a.test by test',
  ],
  [
    'unshared-star',
    ingress('unshared-star', ['three.w.a.test'], 'unshared-star'),
    'three.w.a.test by test',
  ],
  [
    'merged',
    [
      ingress('merged', ['m1.a.test'], 'merged'),
      ingress('merged-b', ['m2.a.test', 'm1.a.test'], 'merged'),
    ],
    'm1.a.test,m2.a.test by test',
  ],
];

test('each kind of request ends as it should, beside all the others', async () => {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'infra' } };
  const manifests = { one: [namespace, ...ROWS.flatMap(([, objects]) => objects)] };
  const one = await running({ document: DOCUMENT, manifests });
  await one.tick();
  const held = await holdings(one);
  const outcomes = ROWS.map(([name, objects]) => {
    const [first] = [objects].flat();
    return [name, refused(one, name) ?? held(first?.metadata.namespace, name)];
  });
  expect(Object.fromEntries(outcomes)).toEqual(
    Object.fromEntries(ROWS.map(([name, , expected]) => [name, expected])),
  );

  const conflicts = one.log.filter(({ reason }) => reason === 'issuers-conflict');
  expect(conflicts.map(({ name }) => name).sort()).toEqual(['issuers-two', 'issuers-two-b']);
  expect(held('infra', 'configured')).toBe('*.infra.a.test by test');
  const misplaced = one.log.find(({ name }) => name === 'misplaced');
  expect(misplaced).toMatchObject({ kind: 'configuration', reason: 'host-outside-zones' });
  const serials = await Promise.all(
    ['shared-star', 'shared-star-too'].map((name) => served(one, 'one', name, 'wild')),
  );
  expect(new Set(serials.map(({ serial }) => serial)).size).toBe(1);
});

const refused = (one: Running, name: string) =>
  one.log
    .filter((entry) => entry.message === 'request refused' && entry.name === name)
    .map(({ reason, explanation }) => `${reason}: ${explanation}`)[0];

/** The names and the issuer of the certificate that each Secret of ours holds. */
async function holdings(one: Running) {
  const plan = await one.plan();
  const held = plan.flatMap(({ names, issuer: from, targets }) =>
    targets
      .filter(({ standing }) => standing.state === 'current')
      .map(({ target }) => [targetKey(target), `${names.join()} by ${from}`] as const),
  );
  const byKey = new Map(held);
  return (namespace: string | undefined, secret: string) =>
    byKey.get(`one/${namespace}/${secret}`) ?? NOTHING;
}

test('a plan touches nothing, whatever there is to do', async () => {
  const state = mkdtempSync(join(tmpdir(), 'certherd-'));
  onTestFinished(() => rmSync(state, { recursive: true }));
  const one = await running({
    state,
    manifests: { one: [ingress('shop', ['shop.a.test'], 'shop-tls')] },
  });
  await one.tick();
  await removeSecret(one, 'one', 'shop-tls');
  await one.apply('one', ingress('new', ['new.a.test'], 'new-tls'));
  await one.apply('one', ingress('bad', ['new.example.org'], 'bad-tls'));
  const saved = () =>
    readdirSync(state).map((file) => [file, readFileSync(join(state, file), 'utf8')]);
  const before = saved();

  const token = await one.system.services.metadata.identityToken(LOCAL_PERSON, 'certherd-api');
  const response = await fetch(`${one.system.door.url}/v1/plan`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(await response.json()).toMatchObject({
    certificates: [
      { names: ['new.a.test'], action: 'issue', reason: 'missing' },
      { names: ['shop.a.test'], action: 'sync', reason: 'secret-missing' },
    ],
    refused: [{ name: 'bad', reason: 'host-outside-zones' }],
    faults: [],
  });
  await one.settle();
  expect(saved()).toEqual(before);
  expect(one.system.ca?.counts().orders).toBe(1);
});

test('a broken Ingress, a broken cluster and zones that cannot be read stop nothing else', async () => {
  const allow = [{ namespaces: ['*'], names: ['*'] }];
  let isBroken = false;
  const one = await running({
    document: {
      clusters: ['one', 'two'].map((name) => ({ name, allow })),
      zones: [{ project: 'p' }, { project: 'q' }],
    },
    manifests: {
      one: [
        ingress('good', ['good.a.test'], 'good'),
        ingress('elsewhere', ['www.b.test'], 'elsewhere'),
        withTls(ingress('broken', ['broken.a.test'], ''), [{ hosts: ['broken.a.test'] }]),
      ],
      two: [ingress('far', ['far.a.test'], 'far')],
    },
    trouble: {
      before(service, { url }) {
        if (isBroken && service === 'cloud-dns' && url?.includes('/projects/q/'))
          throw new LegacyGoogleFault(403, 'forbidden', 'Forbidden');
      },
      kubernetes(cluster) {
        if (isBroken && cluster === 'two') throw new KubernetesFault(403, 'Forbidden', 'no');
      },
    },
  });
  isBroken = true;
  await one.tick();
  expect((await one.plan()).map(({ names, action, reason }) => [...names, action, reason])).toEqual(
    [
      ['good.a.test', 'keep', 'fresh'],
      ['www.b.test', 'wait', 'zones-unreadable'],
    ],
  );
  const said = one.log.filter(({ severity }) => severity === 'ERROR' || severity === 'WARNING');
  expect(said.map(({ message }) => message)).toEqual(
    expect.arrayContaining(['cluster unreadable', 'zones unreadable', 'request refused']),
  );
  expect(await served(one, 'one', 'good')).toMatchObject({ version: '1' });

  isBroken = false;
  await one.tick();
  expect(await served(one, 'two', 'far')).toMatchObject({ version: '1' });
  const refused = one.log.findLast(({ name }) => name === 'elsewhere');
  expect(refused).toMatchObject({ reason: 'host-outside-zones' });
});
