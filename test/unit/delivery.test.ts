import { expect, test } from 'vitest';
import type { SecretMetadata, Sight, Standing } from '../../shared/domain/delivery.ts';
import { standing, versionsToDestroy } from '../../shared/domain/delivery.ts';
import type { VersionState } from '../../shared/domain/record.ts';
import { day, desired, issued, secret } from './build.ts';

const { id } = desired();
const holding = (differs: Partial<SecretMetadata> = {}): Sight => ({
  state: 'present',
  secret: secret(differs),
});
const behind = (reason: string, serves: string | undefined) => ({
  state: 'behind',
  reason,
  serves,
});
const refused = (reason: string, message: string) => ({
  state: 'refused',
  reason,
  message: expect.stringContaining(message),
});

test.for<[string, Sight, object]>([
  ['is current with our certificate in it', holding(), { state: 'current' }],
  ['is behind when it is not there', { state: 'absent' }, behind('secret-missing', undefined)],
  [
    'stays unreadable',
    { state: 'unreadable', message: 'm' },
    { state: 'unreadable', message: 'm' },
  ],
  [
    'is behind with another version in it',
    holding({ fingerprint: 'f0' }),
    behind('secret-outdated', id),
  ],
  [
    'is behind without a fingerprint',
    holding({ fingerprint: undefined }),
    behind('secret-outdated', id),
  ],
  [
    'is behind with another certificate',
    holding({ certificate: 'other' }),
    behind('secret-outdated', 'other'),
  ],
  [
    'is behind with our label alone',
    holding({ certificate: undefined }),
    behind('secret-outdated', undefined),
  ],
  [
    'has drifted when somebody else wrote into it',
    holding({ otherManagers: ['kubectl'] }),
    behind('secret-drifted', id),
  ],
  [
    'is of a type that we cannot change',
    holding({ type: 'Opaque' }),
    refused('secret-type', 'is of type Opaque'),
  ],
  [
    'belongs to nobody we know',
    holding({ installation: undefined }),
    refused('secret-foreign', 'belongs to somebody else'),
  ],
  [
    'belongs to another installation',
    holding({ installation: 'other', belongsTo: 'other' }),
    refused('secret-foreign', 'belongs to other'),
  ],
  [
    'belongs to cert-manager',
    holding({ installation: undefined, belongsTo: "cert-manager's Certificate web" }),
    refused('secret-foreign', "belongs to cert-manager's Certificate web"),
  ],
  [
    'is foreign and of another type',
    holding({ installation: undefined, type: 'Opaque' }),
    refused('secret-type', 'exists with type Opaque and belongs to somebody else'),
  ],
])('a target %s', ([, sight, expected]) => {
  expect(standing(sight, { id, issued: issued() }, 'certherd')).toEqual(expected);
});

test.for<[string, Partial<SecretMetadata>]>([
  ['its annotations', {}],
  ['half of its annotations', { fingerprint: undefined }],
])('without a version nothing is current, whatever %s say', ([, differs]) => {
  const found: Standing = standing(holding(differs), { id, issued: undefined }, 'certherd');
  expect(found).toEqual(behind('secret-outdated', id));
});

test.for<[string, readonly VersionState['state'][], number, readonly number[]]>([
  ['nothing goes while there are no more than are kept', ['enabled', 'enabled'], 2, []],
  ['nothing goes while there are fewer good ones', ['enabled', 'disabled', 'disabled'], 2, []],
  ['the oldest go', ['enabled', 'enabled', 'enabled', 'enabled'], 2, [2, 1]],
  ['a disabled one in between does not count', ['enabled', 'disabled', 'enabled'], 2, []],
  [
    'a disabled one goes with what is older than the kept',
    ['enabled', 'enabled', 'disabled', 'enabled'],
    2,
    [2, 1],
  ],
  ['what is destroyed is not destroyed again', ['enabled', 'enabled', 'destroyed'], 2, []],
  ['with one kept everything older goes', ['enabled', 'disabled', 'enabled'], 1, [2, 1]],
])('%s', ([, states, keep, expected]) => {
  const versions = states.map((state, index) => ({
    number: states.length - index,
    state,
    createdAt: day(0),
  }));
  expect(versionsToDestroy(versions, states.length, keep)).toEqual(expected);
});
