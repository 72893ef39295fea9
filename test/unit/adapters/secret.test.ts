import { describe, expect, test } from 'vitest';
import { secretMetadata } from '../../../shared/adapters/kubernetes/secret.ts';

/** The Table of a Secret that nobody has marked; each case states only what its metadata has besides. */
const read = (metadata: object, cells: readonly unknown[] = ['web', 'kubernetes.io/tls', 2]) =>
  secretMetadata(
    {
      kind: 'Table',
      columnDefinitions: [{ name: 'Name' }, { name: 'Type' }, { name: 'Data' }],
      rows: [{ cells, object: { metadata: { uid: 'u', resourceVersion: '7', ...metadata } } }],
    },
    'certherd',
  );

const owning = (manager: string | undefined, data: object | undefined) => ({
  ...(manager === undefined ? {} : { manager }),
  operation: 'Update',
  fieldsV1: data === undefined ? { 'f:metadata': {} } : { 'f:data': data },
});

describe('who owns the pair', () => {
  test.for<[string, ReturnType<typeof owning>[], string[]]>([
    ['whoever wrote the certificate', [owning('kubectl', { 'f:tls.crt': {} })], ['kubectl']],
    ['whoever wrote the key', [owning('kubectl', { '.': {}, 'f:tls.key': {} })], ['kubectl']],
    ['nobody who has the map without its keys', [owning('kubectl', {})], []],
    ['not us', [owning('certherd', { 'f:tls.crt': {} })], []],
    ['not who wrote other data', [owning('kubectl', { '.': {}, 'f:ca.crt': {} })], []],
    ['not who wrote a label', [owning('kubectl', undefined)], []],
    ['somebody without a name', [owning(undefined, { 'f:tls.key': {} })], ['an unnamed manager']],
    [
      'each once, in order',
      [
        owning('b', { 'f:tls.crt': {} }),
        owning('a', { 'f:tls.key': {} }),
        owning('b', { 'f:tls.key': {} }),
      ],
      ['a', 'b'],
    ],
  ])('%s', ([, managedFields, expected]) => {
    expect(read({ managedFields })?.otherManagers).toEqual(expected);
  });
});

const managedBy = (name: string) => ({ labels: { 'app.kubernetes.io/managed-by': name } });

describe('whose it is', () => {
  test.for<[string, object, string | undefined, string | undefined]>([
    ['of nobody', {}, undefined, undefined],
    ['ours', managedBy('certherd'), 'certherd', undefined],
    ['of Helm, by its label', managedBy('Helm'), undefined, 'Helm'],
    [
      'of a release of Helm',
      { ...managedBy('Helm'), annotations: { 'meta.helm.sh/release-name': 'shop' } },
      undefined,
      'the Helm release shop',
    ],
    [
      'of another installation',
      { ...managedBy('staging'), annotations: { 'staging/certificate': 'a' } },
      'staging',
      'staging',
    ],
    [
      'of cert-manager, even when it took over one of ours',
      { ...managedBy('certherd'), annotations: { 'cert-manager.io/certificate-name': 'web' } },
      'certherd',
      "cert-manager's Certificate web",
    ],
    ['of kube-lego', { annotations: { 'kubernetes.io/tls-acme': 'true' } }, undefined, 'kube-lego'],
    [
      'of a controller',
      { ownerReferences: [{ kind: 'ExternalSecret', name: 'web', controller: true }] },
      undefined,
      'the ExternalSecret web',
    ],
    [
      'of nobody who controls it',
      { ownerReferences: [{ kind: 'ConfigMap', name: 'web' }] },
      undefined,
      undefined,
    ],
  ])('%s', ([, metadata, installation, belongsTo]) => {
    expect(read(metadata)).toMatchObject({ installation, belongsTo });
  });
});

test.for<[string, string | undefined, number | undefined]>([
  ['a number', '12', 12],
  ['absent', undefined, undefined],
  ['empty', '', undefined],
  ['zero', '0', undefined],
  ['no number', 'latest', undefined],
  ['half a number', '1.5', undefined],
])('a version that is %s', ([, text, version]) => {
  const annotations = text === undefined ? {} : { 'certherd/version': text };
  expect(read({ annotations })?.version).toBe(version);
});

test('an answer without a type is no metadata', () => {
  expect(read({}, ['web', null])).toBeUndefined();
});
