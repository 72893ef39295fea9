import { type FieldFault, forbiddenValue, invalidValue, requiredValue, tooLong } from './faults.ts';
import { configKeyFaults } from './names.ts';
import { isEqual, isRecord, type Json, recordAt } from './object.ts';

const MAX_BYTES = 1024 * 1024;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Which fields a Secret of a type must have; types that are not named have no rule here. */
const REQUIRED_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
};

/** The sentence about the first value that is not base64, undefined when all are. */
export function base64Fault(secret: Json): string | undefined {
  const broken = Object.values(recordAt(secret, 'data')).find(
    (value) => typeof value !== 'string' || !BASE64.test(value.replace(/[\r\n]/g, '')),
  );
  if (broken === undefined) return undefined;
  const text = typeof broken === 'string' ? broken : '';
  const at = text.search(/[^A-Za-z0-9+/]/);
  return `illegal base64 data at input byte ${at < 0 ? text.length : at}`;
}

/** The Secret as it is stored: `stringData` written over `data`, the type filled in. */
export function storedSecret({ stringData, ...secret }: Json): Json {
  const texts = isRecord(stringData) ? Object.entries(stringData) : [];
  const encoded = texts.map(([key, value]) => [key, Buffer.from(String(value)).toString('base64')]);
  const data = { ...recordAt(secret, 'data'), ...Object.fromEntries(encoded) };
  return {
    ...secret,
    ...(Object.keys(data).length > 0 ? { data } : {}),
    type: secret.type ?? 'Opaque',
  };
}

/** What the API server finds wrong with a Secret's own fields. */
export function secretFaults(secret: Json, before: Json | undefined): FieldFault[] {
  const data = recordAt(secret, 'data');
  const type = String(secret.type);
  const size = Object.values(data).reduce<number>((sum, value) => sum + decodedSize(value), 0);
  return [
    ...(before ? changeFaults(secret, before) : []),
    ...Object.keys(data).flatMap((key) => configKeyFaults(`data[${key}]`, key)),
    ...(size > MAX_BYTES ? [tooLong('data', MAX_BYTES)] : []),
    ...(REQUIRED_KEYS[type] ?? [])
      .filter((key) => !Object.hasOwn(data, key))
      .map((key) => requiredValue(`data[${key}]`)),
  ];
}

const decodedSize = (value: unknown) => Buffer.byteLength(String(value), 'base64');

function changeFaults(secret: Json, before: Json): FieldFault[] {
  const frozen = before.immutable === true;
  const rule = 'field is immutable when `immutable` is set';
  return [
    ...(secret.type === before.type
      ? []
      : [invalidValue('type', secret.type, 'field is immutable')]),
    ...(frozen && secret.immutable !== true ? [forbiddenValue('immutable', rule)] : []),
    ...(frozen && !isEqual(recordAt(secret, 'data'), recordAt(before, 'data'))
      ? [forbiddenValue('data', rule)]
      : []),
  ];
}
