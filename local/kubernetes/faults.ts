import type { Json } from './object.ts';

/** A cause inside an Invalid or Conflict status. */
export type Cause = Readonly<{ reason: string; message: string; field: string }>;

/**
 * A refusal in the API server's shape: the body is a `Status` object
 * (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/).
 * `details.retryAfterSeconds` is also sent as the Retry-After header.
 */
export class KubernetesFault extends Error {
  override readonly name = 'KubernetesFault';
  readonly http: number;
  readonly body: Json;

  /** `reason` is empty where the real server leaves it out, as with its 500. */
  constructor(http: number, reason: string, message: string, details?: Json) {
    super(message);
    this.http = http;
    this.body = {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message,
      ...(reason ? { reason } : {}),
      ...(details ? { details } : {}),
      code: http,
    };
  }
}

/** Which object a refusal is about; `resource` in the plural, as in a URL. */
export type Subject = Readonly<{ group: string; resource: string; kind: string; name: string }>;

const qualified = (name: string, group: string) => (group ? `${name}.${group}` : name);

const detailsOf = ({ group, resource, name }: Subject): Json => ({
  ...(name ? { name } : {}),
  ...(group ? { group } : {}),
  kind: resource,
});

export const badRequest = (message: string) => new KubernetesFault(400, 'BadRequest', message);

/** What the real server answers where a Go error reaches the surface: a 500 without a reason. */
export const plainError = (message: string) => new KubernetesFault(500, '', message);

export const notFound = (subject: Subject) =>
  new KubernetesFault(
    404,
    'NotFound',
    `${qualified(subject.resource, subject.group)} "${subject.name}" not found`,
    detailsOf(subject),
  );

export const alreadyExists = (subject: Subject) =>
  new KubernetesFault(
    409,
    'AlreadyExists',
    `${qualified(subject.resource, subject.group)} "${subject.name}" already exists`,
    detailsOf(subject),
  );

export const conflict = (subject: Subject, message: string) =>
  new KubernetesFault(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(subject.resource, subject.group)} "${subject.name}": ${message}`,
    detailsOf(subject),
  );

export const staleVersion = (subject: Subject) =>
  conflict(
    subject,
    'the object has been modified; please apply your changes to the latest version and try again',
  );

export const forbidden = (subject: Subject, message: string, causes?: readonly Cause[]) =>
  new KubernetesFault(
    403,
    'Forbidden',
    `${qualified(subject.resource, subject.group)}${subject.name ? ` "${subject.name}"` : ''} is forbidden: ${message}`,
    { ...detailsOf(subject), ...(causes ? { causes } : {}) },
  );

/** One fault that validation found; `field` is a path as in `spec.tls[0].hosts[1]`. */
export type FieldFault = Readonly<{ field: string; reason: string; message: string }>;

export const invalidValue = (field: string, value: unknown, detail: string): FieldFault => ({
  field,
  reason: 'FieldValueInvalid',
  message: `Invalid value: ${JSON.stringify(value)}: ${detail}`,
});

export const requiredValue = (field: string, detail?: string): FieldFault => ({
  field,
  reason: 'FieldValueRequired',
  message: detail ? `Required value: ${detail}` : 'Required value',
});

export const forbiddenValue = (field: string, detail: string): FieldFault => ({
  field,
  reason: 'FieldValueForbidden',
  message: `Forbidden: ${detail}`,
});

export const tooLong = (field: string, limit: number): FieldFault => ({
  field,
  reason: 'FieldValueTooLong',
  message: `Too long: may not be more than ${limit} bytes`,
});

export const unsupportedValue = (
  field: string,
  value: unknown,
  supported: readonly string[],
): FieldFault => ({
  field,
  reason: 'FieldValueNotSupported',
  message: `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.map((item) => JSON.stringify(item)).join(', ')}`,
});

/** 422 with every fault as a cause; the message names each fault once. */
export function invalid(
  { kind, group, name }: Pick<Subject, 'kind' | 'group' | 'name'>,
  faults: readonly FieldFault[],
): KubernetesFault {
  const sentences = [...new Set(faults.map(({ field, message }) => `${field}: ${message}`))];
  const all = sentences.length === 1 ? sentences[0] : `[${sentences.join(', ')}]`;
  return new KubernetesFault(
    422,
    'Invalid',
    `${qualified(kind, group)} "${name}" is invalid: ${all}`,
    {
      ...(name ? { name } : {}),
      ...(group ? { group } : {}),
      kind,
      causes: faults.map(({ field, reason, message }) => ({ reason, message, field })),
    },
  );
}

export const unauthorized = () => new KubernetesFault(401, 'Unauthorized', 'Unauthorized');

export const unknownResource = () =>
  new KubernetesFault(404, 'NotFound', 'the server could not find the requested resource', {});

export const methodNotAllowed = () =>
  new KubernetesFault(
    405,
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
    {},
  );

export const notAcceptable = (message: string) =>
  new KubernetesFault(406, 'NotAcceptable', message);

/** A list or watch that starts where the history no longer reaches. */
export const expired = (message: string) => new KubernetesFault(410, 'Expired', message);

/** What the real server has and this one does not: said so, never answered. */
export const notImplemented = (what: string) =>
  new KubernetesFault(501, 'NotImplemented', `this stand-in does not implement ${what}`);
