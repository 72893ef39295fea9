import { isIP } from 'node:net';
import { type FieldFault, invalidValue, requiredValue, unsupportedValue } from './faults.ts';
import { labelFaults, ruleHostFaults, subdomainFaults, tlsHostFaults } from './names.ts';
import { isRecord, type Json, listAt, recordAt } from './object.ts';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';
const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const NOT_IN_PATH = ['//', '/./', '/../', '%2f', '%2F'];
const NOT_AT_END = ['/..', '/.'];

/** What the API server finds wrong with an Ingress' own fields. */
export function ingressFaults(ingress: Json, before: Json | undefined): FieldFault[] {
  const spec = recordAt(ingress, 'spec');
  const rules = listAt(spec, 'rules').map(asRecord);
  const backend = spec.defaultBackend;
  return [
    ...(before ? [] : classAnnotationFaults(ingress, spec)),
    ...rules.flatMap((rule, index) => ruleFaults(rule, `spec.rules[${index}]`)),
    ...listAt(spec, 'tls').flatMap((entry, index) =>
      tlsFaults(asRecord(entry), `spec.tls[${index}]`),
    ),
    ...(isRecord(backend) ? backendFaults(backend, 'spec.defaultBackend') : []),
    ...(rules.length === 0 && !backend
      ? [invalidValue('spec', null, 'either `defaultBackend` or `rules` must be specified')]
      : []),
    ...(typeof spec.ingressClassName === 'string'
      ? subdomainFaults('spec.ingressClassName', spec.ingressClassName)
      : []),
    ...statusFaults(ingress),
  ];
}

const asRecord = (value: unknown): Json => (isRecord(value) ? value : {});
const text = (value: unknown) => (typeof value === 'string' ? value : '');

function classAnnotationFaults(ingress: Json, spec: Json): FieldFault[] {
  const annotation = recordAt(recordAt(ingress, 'metadata'), 'annotations')[CLASS_ANNOTATION];
  const name = spec.ingressClassName;
  if (annotation === undefined || name === undefined || annotation === name) return [];
  return [
    invalidValue(
      `annotations.${CLASS_ANNOTATION}`,
      annotation,
      'must match `ingressClassName` when both are specified',
    ),
  ];
}

function tlsFaults(entry: Json, field: string): FieldFault[] {
  const hosts = listAt(entry, 'hosts');
  const secretName = text(entry.secretName);
  return [
    ...hosts.flatMap((host, index) => tlsHostFaults(`${field}.hosts[${index}]`, text(host))),
    ...(secretName ? subdomainFaults(`${field}.secretName`, secretName) : []),
  ];
}

function ruleFaults(rule: Json, field: string): FieldFault[] {
  const host = text(rule.host);
  return [
    ...(host ? ruleHostFaults(`${field}.host`, host) : []),
    ...(isRecord(rule.http) ? httpFaults(rule.http, `${field}.http`) : []),
  ];
}

function httpFaults(http: Json, field: string): FieldFault[] {
  const paths = listAt(http, 'paths');
  if (paths.length === 0) return [requiredValue(`${field}.paths`)];
  return paths.flatMap((path, index) => pathFaults(asRecord(path), `${field}.paths[${index}]`));
}

function pathFaults(path: Json, field: string): FieldFault[] {
  const type = path.pathType;
  const backend = asRecord(path.backend);
  if (type === undefined) return [requiredValue(`${field}.pathType`, 'pathType must be specified')];
  if (!PATH_TYPES.includes(text(type)))
    return [unsupportedValue(`${field}.pathType`, type, PATH_TYPES)];
  return [
    ...pathTextFaults(text(path.path), text(type), `${field}.path`),
    ...backendFaults(backend, `${field}.backend`),
  ];
}

function pathTextFaults(path: string, type: string, field: string): FieldFault[] {
  const isFree = type === 'ImplementationSpecific';
  if (isFree && path === '') return [];
  if (!path.startsWith('/')) return [invalidValue(field, path, 'must be an absolute path')];
  if (isFree) return [];
  return [
    ...NOT_IN_PATH.filter((part) => path.includes(part)).map((part) =>
      invalidValue(field, path, `must not contain '${part}'`),
    ),
    ...NOT_AT_END.filter((part) => path.endsWith(part)).map((part) =>
      invalidValue(field, path, `cannot end with '${part}'`),
    ),
  ];
}

function backendFaults(backend: Json, field: string): FieldFault[] {
  const { service, resource } = backend;
  if (service && resource)
    return [invalidValue(field, '', 'cannot set both resource and service backends')];
  if (isRecord(service)) return serviceFaults(service, field);
  return resource ? [] : [invalidValue(field, '', 'resource or service backend is required')];
}

function serviceFaults(service: Json, field: string): FieldFault[] {
  const name = text(service.name);
  const port = asRecord(service.port);
  return [
    ...(name
      ? labelFaults(`${field}.service.name`, name)
      : [requiredValue(`${field}.service.name`)]),
    ...portFaults(port, field),
  ];
}

function portFaults(port: Json, field: string): FieldFault[] {
  const name = text(port.name);
  const number = port.number;
  if (name && number !== undefined)
    return [invalidValue(field, '', 'cannot set both port name & port number')];
  if (name) return portNameFaults(name, `${field}.service.port.name`);
  if (typeof number !== 'number') return [requiredValue(field, 'port name or number is required')];
  return number >= 1 && number <= 65_535
    ? []
    : [
        invalidValue(
          `${field}.service.port.number`,
          number,
          'must be between 1 and 65535, inclusive',
        ),
      ];
}

function portNameFaults(name: string, field: string): FieldFault[] {
  if (!/^[-a-z0-9]+$/.test(name))
    return [
      invalidValue(
        field,
        name,
        'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
      ),
    ];
  return [
    ...(name.length > 15 ? [invalidValue(field, name, 'must be no more than 15 characters')] : []),
    ...(/[a-z]/.test(name)
      ? []
      : [invalidValue(field, name, 'must contain at least one letter (a-z)')]),
  ];
}

function statusFaults(ingress: Json): FieldFault[] {
  const balancer = recordAt(recordAt(ingress, 'status'), 'loadBalancer');
  return listAt(balancer, 'ingress').flatMap((entry, index) => {
    const field = `status.loadBalancer.ingress[${index}]`;
    const { ip, hostname } = asRecord(entry);
    return [
      ...(ip !== undefined && !isIP(text(ip))
        ? [
            invalidValue(
              `${field}.ip`,
              ip,
              'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
            ),
          ]
        : []),
      ...(hostname ? ruleHostFaults(`${field}.hostname`, text(hostname)) : []),
    ];
  });
}
