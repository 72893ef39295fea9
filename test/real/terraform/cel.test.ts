import { expect, test } from 'vitest';
import { holds } from './cel.ts';

const secret = {
  service: 'secretmanager.googleapis.com',
  type: 'secretmanager.googleapis.com/SecretVersion',
  name: 'projects/1/secrets/certherd-cert-a/versions/2',
};
const record = {
  service: 'dns.googleapis.com',
  type: 'dns.googleapis.com/ResourceRecordSet',
  name: 'projects/1/managedZones/7/rrsets/_acme-challenge.a.test./TXT',
};

test.for<[string, string, typeof secret, boolean]>([
  ['a prefix fits', 'resource.name.startsWith("projects/1/secrets/certherd-cert-")', secret, true],
  ['a prefix does not fit', 'resource.name.startsWith("projects/1/secrets/b")', secret, false],
  ['a suffix fits', 'resource.name.endsWith("/TXT")', record, true],
  ['a suffix does not fit', 'resource.name.endsWith("/A")', record, false],
  ['equal', 'resource.service == "dns.googleapis.com"', record, true],
  ['not equal', 'resource.service == "dns.googleapis.com"', secret, false],
  [
    '&& binds closer than ||',
    'resource.type == "x" && resource.type == "x" || resource.service == "dns.googleapis.com"',
    record,
    true,
  ],
  [
    'parentheses bind closest',
    'resource.type == "x" && (resource.type == "x" || resource.service == "dns.googleapis.com")',
    record,
    false,
  ],
  [
    'what a template extracts',
    'resource.name.extract("/rrsets/{owner}/TXT").startsWith("_acme-challenge.")',
    record,
    true,
  ],
  [
    'a template that does not fit extracts nothing',
    'resource.name.extract("/rrsets/{owner}/A") == ""',
    record,
    true,
  ],
])('%s', ([, expression, resource, expected]) => {
  expect(holds(expression, resource)).toBe(expected);
});

test.for([
  'resource.name.matches("a")',
  'resource.labels == "a"',
  'request.time == "a"',
  'resource.name',
  'resource.name == "a" resource.name',
  'resource.name == "a',
  '(((',
])('%s is refused, not granted', (expression) => {
  expect(() => holds(expression, secret)).toThrow();
});
