import { LegacyGoogleFault } from '../google-api.ts';

/** The refusals of Cloud DNS (https://cloud.google.com/dns/docs/error-messages), in the words of the real service where they are known. */
export const invalid = (path: string, value: unknown) =>
  new LegacyGoogleFault(
    400,
    'invalid',
    `Invalid value for '${path}': '${typeof value === 'string' ? value : JSON.stringify(value)}'`,
  );

export const required = (path: string) =>
  new LegacyGoogleFault(400, 'required', `The '${path}' parameter is required but was missing.`);

export const notFound = (path: string, name: string) =>
  new LegacyGoogleFault(404, 'notFound', `The '${path}' resource named '${name}' does not exist.`);

export const alreadyExists = (path: string, name: string) =>
  new LegacyGoogleFault(
    409,
    'alreadyExists',
    `The resource '${path}' named '${name}' already exists`,
  );

export const conditionNotMet = (path: string) =>
  new LegacyGoogleFault(412, 'conditionNotMet', `Precondition not met for '${path}'`);

export const quotaExceeded = (what: string) =>
  new LegacyGoogleFault(403, 'quotaExceeded', `The change would exceed quota for ${what}.`);

/** What the real service would do and this stand-in does not. */
export const notImplemented = (what: string) =>
  new LegacyGoogleFault(501, 'notImplemented', `${what} is not implemented by this stand-in`);

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
