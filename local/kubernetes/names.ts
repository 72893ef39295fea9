import { isIP } from 'node:net';
import { type FieldFault, invalidValue, tooLong } from './faults.ts';

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const isLabel = matcher(LABEL);
const isSubdomain = matcher(SUBDOMAIN);
const isWildcard = matcher(`\\*\\.${SUBDOMAIN}`);
const isQualified = matcher(QUALIFIED);
const isLabelValue = matcher(`(${QUALIFIED})?`);
const isConfigKey = matcher('[-._a-zA-Z0-9]+');
const TOTAL_ANNOTATIONS = 256 * 1024;

function matcher(source: string): (text: string) => boolean {
  const pattern = new RegExp(`^${source}$`);
  return (text) => pattern.test(text);
}

const tooManyCharacters = (limit: number) => `must be no more than ${limit} characters`;

const SUBDOMAIN_RULE = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${SUBDOMAIN}')`;
const WILDCARD_RULE = `a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.${SUBDOMAIN}')`;
const LABEL_RULE = `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${LABEL}')`;
const CONFIG_KEY_RULE = `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')`;
const KEY_RULE = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${QUALIFIED}')`;
const VALUE_RULE = `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(${QUALIFIED})?')`;

/** Faults of an object's, Secret's or class's name. */
export function subdomainFaults(field: string, name: string): FieldFault[] {
  return [
    ...(name.length > 253 ? [invalidValue(field, name, tooManyCharacters(253))] : []),
    ...(isSubdomain(name) ? [] : [invalidValue(field, name, SUBDOMAIN_RULE)]),
  ];
}

/** Faults of a namespace's or service's name. */
export function labelFaults(field: string, name: string): FieldFault[] {
  if (name.includes('.')) return [invalidValue(field, name, 'must not contain dots')];
  return [
    ...(name.length > 63 ? [invalidValue(field, name, tooManyCharacters(63))] : []),
    ...(isLabel(name) ? [] : [invalidValue(field, name, LABEL_RULE)]),
  ];
}

/** Faults of a host in `spec.tls`; an IPv4 address is none, for its letters are those of a name. */
export function tlsHostFaults(field: string, host: string): FieldFault[] {
  if (!host.includes('*')) return subdomainFaults(field, host);
  return [
    ...(host.length > 253 ? [invalidValue(field, host, tooManyCharacters(253))] : []),
    ...(isWildcard(host) ? [] : [invalidValue(field, host, WILDCARD_RULE)]),
  ];
}

/** Faults of a host in `spec.rules`. */
export function ruleHostFaults(field: string, host: string): FieldFault[] {
  const address = isIP(host)
    ? [invalidValue(field, host, 'must be a DNS name, not an IP address')]
    : [];
  return [...address, ...tlsHostFaults(field, host)];
}

export function configKeyFaults(field: string, key: string): FieldFault[] {
  return isConfigKey(key) ? [] : [invalidValue(field, key, CONFIG_KEY_RULE)];
}

/** Faults of `metadata.labels`. */
export function labelsFaults(labels: Readonly<Record<string, string>>): FieldFault[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...qualifiedNameFaults('metadata.labels', key),
    ...(value.length > 63 ? [invalidValue('metadata.labels', value, tooManyCharacters(63))] : []),
    ...(isLabelValue(value) ? [] : [invalidValue('metadata.labels', value, VALUE_RULE)]),
  ]);
}

/** Faults of `metadata.annotations`. */
export function annotationsFaults(annotations: Readonly<Record<string, string>>): FieldFault[] {
  const field = 'metadata.annotations';
  const entries = Object.entries(annotations);
  const size = entries.reduce((sum, [key, value]) => sum + bytes(key) + bytes(value), 0);
  return [
    ...entries.flatMap(([key]) => qualifiedNameFaults(field, key)),
    ...(size > TOTAL_ANNOTATIONS ? [tooLong(field, TOTAL_ANNOTATIONS)] : []),
  ];
}

const bytes = (text: string) => Buffer.byteLength(text);

function qualifiedNameFaults(field: string, key: string): FieldFault[] {
  const parts = key.split('/');
  const name = parts.at(-1) ?? '';
  if (parts.length > 2)
    return [
      invalidValue(
        field,
        key,
        `a valid label key ${KEY_RULE} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
      ),
    ];
  const fault = (detail: string) => invalidValue(field, key, detail);
  const prefix = parts.length === 2 ? (parts[0] ?? '') : undefined;
  return [
    ...(prefix === '' ? [fault('prefix part must be non-empty')] : []),
    ...(prefix && !isSubdomain(prefix) ? [fault(`prefix part ${SUBDOMAIN_RULE}`)] : []),
    ...(name === '' ? [fault('name part must be non-empty')] : []),
    ...(name.length > 63 ? [fault(`name part ${tooManyCharacters(63)}`)] : []),
    ...(isQualified(name) ? [] : [fault(`name part ${KEY_RULE}`)]),
  ];
}
