import { type CertificateIdentity, certificateId } from '../../../shared/domain/certificate.ts';
import { type CertificateRecord, newRecord, type Target } from '../../../shared/domain/record.ts';

/** One of many certificates, all issued lately and delivered, each asked for by one Ingress in one of 100 namespaces. */
export type FleetMember = Readonly<{
  id: string;
  host: string;
  target: Target;
  record: CertificateRecord;
}>;

export const FLEET_CLUSTER = 'fleet';
export const FLEET_ZONE = 'fleet.test';
export const FLEET_ISSUER = 'ca';
export const NAMESPACES = 100;
const DAY_MS = 86_400_000;

export const namespaceName = (number: number): string => `team-${number}`;

export function fleetMember(number: number): FleetMember {
  const host = `host-${number}.${FLEET_ZONE}`;
  const namespace = namespaceName(number % NAMESPACES);
  const target = { cluster: FLEET_CLUSTER, namespace, secret: `tls-${number}` };
  const identity: CertificateIdentity = {
    names: [host],
    issuer: FLEET_ISSUER,
    keyType: 'ec-p256',
  };
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const notBefore = new Date(today - (1 + (number % 30)) * DAY_MS);
  const record: CertificateRecord = {
    ...newRecord(identity, {
      askers: [{ cluster: FLEET_CLUSTER, namespace }],
      manual: undefined,
    }),
    issued: {
      version: 1,
      serial: hex(number, 32),
      fingerprint: hex(number, 64),
      notBefore,
      notAfter: new Date(notBefore.getTime() + 90 * DAY_MS),
    },
    delivered: { version: 1, at: notBefore, failed: [] },
  };
  return { id: certificateId(identity), host, target, record };
}

const hex = (number: number, digits: number) => number.toString(16).padStart(digits, 'a1b2c3d4');
