import { type CertificateIdentity, certificateId } from '../../shared/domain/certificate.ts';
import type { SecretMetadata } from '../../shared/domain/delivery.ts';
import type { DesiredCertificate } from '../../shared/domain/grouping.ts';
import { askersOf } from '../../shared/domain/grouping.ts';
import type { Facts } from '../../shared/domain/plan-rules.ts';
import {
  type CertificateRecord,
  type IssuedCertificate,
  newRecord,
  type StoredRecord,
  type Target,
} from '../../shared/domain/record.ts';
import type {
  ClusterRules,
  Context,
  Ingress,
  Request,
  Rules,
} from '../../shared/domain/request.ts';

/** Healthy values, one of each kind; a case says only in what it differs. */
type Differs<T> = Partial<T>;

/** Midnight of the n-th day after 2026-01-01, by UTC. */
export const day = (n: number): Date => new Date(Date.UTC(2026, 0, 1) + n * 86_400_000);

export const later = (moment: Date, ms: number): Date => new Date(moment.getTime() + ms);

export const cluster = (differs: Differs<ClusterRules> = {}): ClusterRules => ({
  name: 'prod',
  ingressClasses: ['nginx'],
  allow: [{ namespaces: ['*'], names: ['*'], wildcards: false }],
  ...differs,
});

export const rules = (differs: Differs<Rules> = {}): Rules => ({
  installation: 'certherd',
  optInAnnotation: 'kubernetes.io/tls-acme',
  issuers: { production: { keyType: 'ec-p256' }, staging: { keyType: 'rsa-2048' } },
  defaultIssuer: 'production',
  clusters: [cluster()],
  delegated: [],
  wildcards: [],
  certificates: [],
  ...differs,
});

export const context = (
  differs: Differs<Rules> = {},
  zones: Differs<Context['zones']> = {},
): Context => ({
  rules: rules(differs),
  zones: { suffixes: ['a.test'], complete: true, ...zones },
});

/** An Ingress that opts in and asks for www.a.test in Secret `tls`. */
export const ingress = (differs: Differs<Ingress> = {}): Ingress => ({
  namespace: 'shop',
  name: 'web',
  annotations: { 'kubernetes.io/tls-acme': 'true' },
  className: 'nginx',
  tls: [{ hosts: ['www.a.test'], secretName: 'tls' }],
  ruleHosts: ['www.a.test'],
  addresses: [],
  ...differs,
});

export const target = (differs: Differs<Target> = {}): Target => ({
  cluster: 'prod',
  namespace: 'shop',
  secret: 'tls',
  ...differs,
});

export const request = (
  differs: Differs<Omit<Request, 'target'>> & { target?: Differs<Target> } = {},
): Request => {
  const of = target(differs.target);
  return {
    source: { cluster: of.cluster, kind: 'Ingress', namespace: of.namespace, name: 'web' },
    names: ['www.a.test'],
    issuer: 'production',
    ...differs,
    target: of,
  };
};

export const identity = (differs: Differs<CertificateIdentity> = {}): CertificateIdentity => ({
  names: ['www.a.test'],
  issuer: 'production',
  keyType: 'ec-p256',
  ...differs,
});

export const desired = (
  differs: Differs<Pick<DesiredCertificate, 'identity' | 'targets'>> = {},
): DesiredCertificate => {
  const of = { identity: identity(), targets: [target()], ...differs };
  return { id: certificateId(of.identity), askers: askersOf(of.targets), ...of };
};

/** A certificate of ninety days, from day 0 on. */
export const issued = (differs: Differs<IssuedCertificate> = {}): IssuedCertificate => ({
  version: 1,
  serial: '0a',
  fingerprint: 'f1',
  notBefore: day(0),
  notAfter: day(90),
  ...differs,
});

/** The record of `desired()`: issued, delivered, nothing pending. */
export const record = (differs: Differs<CertificateRecord> = {}): CertificateRecord => ({
  ...newRecord(identity(), { askers: [{ cluster: 'prod', namespace: 'shop' }], manual: undefined }),
  issued: issued(),
  delivered: { version: 1, at: day(0), failed: [] },
  ...differs,
});

export const stored = (
  differs: Differs<CertificateRecord> = {},
  of: CertificateIdentity = identity(),
): StoredRecord => ({
  id: certificateId(of),
  etag: '"1"',
  createdAt: day(0),
  record: record({
    identity: newRecord(of, { askers: [], manual: undefined }).identity,
    ...differs,
  }),
});

/** The metadata of the Secret of `desired()` with `issued()` in it. */
export const secret = (differs: Differs<SecretMetadata> = {}): SecretMetadata => ({
  uid: 'uid-1',
  resourceVersion: '1',
  type: 'kubernetes.io/tls',
  installation: 'certherd',
  certificate: desired().id,
  version: 1,
  fingerprint: 'f1',
  otherManagers: [],
  belongsTo: undefined,
  ...differs,
});

/** One certificate in good order on day 10. */
export const facts = (differs: Differs<Facts> = {}): Facts => ({
  now: day(10),
  horizonMs: 3_600_000,
  installation: 'certherd',
  desired: [desired()],
  inventory: [stored()],
  illegible: new Map(),
  sights: new Map([['prod/shop/tls', { state: 'present', secret: secret() }]]),
  versions: new Map(),
  configuredClusters: new Set(['prod']),
  unreadableClusters: new Set(),
  unlooked: new Set(),
  isProvable: () => true,
  mayHold: () => true,
  ...differs,
});
