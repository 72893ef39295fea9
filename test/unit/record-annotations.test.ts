import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Asker,
  type CertificateRecord,
  newRecord,
  type SavedChallenge,
} from '../../shared/domain/record.ts';
import {
  abridged,
  fits,
  parseRecord,
  RECORD_FIELDS,
  recordAnnotations,
  remembered,
} from '../../shared/domain/record-annotations.ts';
import { day, identity, issued, record, stored, target } from './build.ts';

const FULL: CertificateRecord = record({
  askers: [
    { cluster: 'ovh', namespace: 'ovh' },
    { cluster: 'prod', namespace: 'blog' },
    { cluster: 'prod', namespace: 'shop' },
  ],
  manual: { targets: [target(), target({ secret: 'other' })], by: 'ops@a.test', at: day(1) },
  lease: { holder: 'worker-1', until: day(2) },
  order: {
    ...{ url: 'https://ca.test/order/1', after: 0, at: day(2) },
    ...{ directory: 'https://ca.test/directory', key: 7 },
  },
  challenges: [{ project: 'p', zone: 'a-test', owner: '_acme-challenge.www.a.test', value: 'v' }],
  failure: { code: 'ca-unavailable', message: 'm', count: 1, retryAt: day(3), isWish: true },
  delivered: { version: 1, at: day(4), failed: ['Secret prod/shop/tls is away'] },
});
const NEW = newRecord(identity(), { askers: [], manual: undefined });

const readAgain = (of: CertificateRecord) => parseRecord(recordAnnotations(of));

describe('a record', () => {
  test.for<[string, CertificateRecord]>([
    ['with everything', FULL],
    ['that is new', NEW],
    ['whose names did not fit', { ...NEW, identity: { ...NEW.identity, names: undefined } }],
    ['of an earlier program', { ...NEW, order: { url: 'https://ca.test/order/1', after: 0 } }],
    ['with an RSA key', { ...NEW, identity: { ...NEW.identity, keyType: 'rsa-2048' } }],
  ])('%s is read as it was written', ([, of]) => expect(readAgain(of)).toEqual({ record: of }));

  test('is written in fields that we call ours', () => {
    expect(Object.keys(recordAnnotations(FULL)).toSorted()).toEqual(RECORD_FIELDS.toSorted());
    expect(Object.keys(recordAnnotations(NEW))).toEqual(['format', 'identity']);
  });

  test('is read whatever else is annotated', () => {
    const annotations = { ...recordAnnotations(FULL), 'ops/note': 'mine', team: 'web' };
    expect(parseRecord(annotations)).toEqual({ record: FULL });
  });

  test('is one that a person can read', () => {
    expect(recordAnnotations(FULL)).toMatchObject({
      format: '1',
      askers: '{"ovh":["ovh"],"prod":["blog","shop"]}',
      lease: '{"holder":"worker-1","until":"2026-01-03T00:00:00.000Z"}',
      challenges: '{"p/a-test":{"_acme-challenge.www.a.test":["v"]}}',
    });
    expect(recordAnnotations(FULL).manual).toContain('"prod/shop/other"');
  });
});

describe('what is too long', () => {
  const parsed = (of: CertificateRecord): CertificateRecord => {
    const found = readAgain(of);
    if ('problem' in found) throw new Error(found.problem);
    return found.record;
  };

  test.for<[string, number, number]>([
    ['keeps a message of 400 characters', 400, 400],
    ['cuts a longer one', 401, 400],
  ])('%s', ([, length, kept]) => {
    const failure = { code: 'c', message: 'm'.repeat(length), count: 1, retryAt: day(1) };
    expect(parsed(record({ failure })).failure?.message).toHaveLength(kept);
  });

  test.for<[string, readonly string[], readonly string[]]>([
    ['keeps five failed targets', ['1', '2', '3', '4', '5'], ['1', '2', '3', '4', '5']],
    ['drops a sixth', ['1', '2', '3', '4', '5', '6'], ['1', '2', '3', '4', '5']],
    ['cuts the sentence of one', ['x'.repeat(201)], ['x'.repeat(200)]],
  ])('%s', ([, failed, kept]) => {
    const delivered = { version: 1, at: day(1), failed };
    expect(parsed(record({ delivered })).delivered?.failed).toEqual(kept);
  });

  /** Askers in two clusters whose annotation is `length` characters long. */
  const askersOf = (length: number): readonly Asker[] => [
    {
      cluster: 'ovh',
      namespace: 'n'.repeat(length - '{"ovh":[""],"prod":["shop","blog"]}'.length),
    },
    { cluster: 'prod', namespace: 'shop' },
    { cluster: 'prod', namespace: 'blog' },
  ];

  test.for<[string, number, readonly Asker[]]>([
    ['keeps askers of 1 KiB', 1024, askersOf(1024)],
    [
      'keeps only the clusters of more',
      1025,
      [
        { cluster: 'ovh', namespace: '*' },
        { cluster: 'prod', namespace: '*' },
      ],
    ],
  ])('%s', ([, length, kept]) => {
    const askers = askersOf(length);
    expect(parsed(record({ askers })).askers).toEqual(kept);
    expect(abridged(askers)).toEqual(kept);
    expect(abridged(abridged(askers))).toEqual(kept);
  });
});

describe('the names of a large record', () => {
  const bytes = (of: CertificateRecord) =>
    Buffer.byteLength(Object.entries(recordAnnotations(of)).flat().join(''));
  /** A record of `size` bytes with its names, but for a sentence of that many bytes in another's alphabet. */
  const sized = (size: number, message = ''): CertificateRecord => {
    const failure = { code: 'c', message, count: 1, retryAt: day(1) };
    const of = (length: number) =>
      stored({ failure }, identity({ names: ['n'.repeat(length)] })).record;
    return of(1 + size - bytes(of(1)));
  };

  test.for<[string, CertificateRecord, boolean]>([
    ['stay where all fits into 15 KiB', sized(15_360), true],
    ['go where it does not', sized(15_361), false],
    ['go by bytes, not by characters', sized(15_361, 'ä'.repeat(300)), false],
  ])('%s', ([, of, stay]) => {
    const found = readAgain(of);
    const { names } = 'record' in found ? found.record.identity : NEW.identity;
    expect(names).toEqual(stay ? of.identity.names : undefined);
    expect(bytes(of) <= 15_360).toBe(true);
    expect(fits(of)).toBe(true);
  });

  test('leave room for nothing when the TXT values alone are too many', () => {
    const challenges = [{ project: 'p', zone: 'z', owner: 'o', value: 'v'.repeat(15_360) }];
    expect(fits(record({ challenges }))).toBe(false);
  });
});

describe('TXT values that are left behind', () => {
  const place = { project: 'p', zone: 'a-test' };
  const left = (count: number, length = 43): readonly SavedChallenge[] =>
    Array.from({ length: count }, (_, index) => ({
      ...place,
      owner: `_acme-challenge.left${index}.some.names.of.a.test`,
      value: 'v'.repeat(length),
    }));
  /** One whose annotation is `length` characters long. */
  const sized = (length: number): readonly SavedChallenge[] => [
    { ...place, owner: 'o', value: 'v'.repeat(length - '{"p/a-test":{"o":[""]}}'.length) },
  ];

  test.for<[string, readonly SavedChallenge[], readonly SavedChallenge[]]>([
    ['are none where there are none', [], []],
    ['are remembered up to 2 KiB', sized(2048), sized(2048)],
    ['are not beyond that', sized(2049), []],
    ['are given up from the oldest on', [...sized(2048), ...left(3)], left(3)],
  ])('%s', ([, all, kept]) => expect(remembered(all)).toEqual(kept));

  test('leave room for those of an order of a hundred names', () => {
    const ordered = left(100).map(({ owner, ...one }) => ({ ...one, owner: `${owner}.example` }));
    const challenges = [...remembered(left(100)), ...ordered];
    const texts = Object.entries(recordAnnotations({ ...FULL, challenges })).flat();
    expect(texts.join('').length).toBeLessThan(16_384);
  });
});

describe('annotations that nobody wrote like that', () => {
  const broken = (field: string, text: string | undefined) => {
    const { [field]: _, ...others } = recordAnnotations(FULL);
    return parseRecord(text === undefined ? others : { ...others, [field]: text });
  };
  const ISSUED = JSON.stringify(issued());

  test.for<[string, string, string | undefined, string]>([
    ['has no format', 'format', undefined, 'record format none'],
    ['has the format of a newer program', 'format', '2', 'record format 2, which a newer program'],
    [
      'has a format that never was',
      'format',
      '0',
      'record format 0, this program writes 1; restore',
    ],
    ['has no identity', 'identity', undefined, 'identity is missing'],
    ['is no JSON', 'lease', '{', 'an annotation that is not as it was written'],
    ['is empty', 'order', '', 'an annotation that is not as it was written'],
    ['is a list for an object', 'lease', '[]', 'lease is not an object'],
    ['is null for an object', 'lease', 'null', 'lease is not an object'],
    ['is a text for an object', 'askers', '"prod"', 'askers is not an object'],
    ['is a list for an object', 'challenges', '[]', 'challenges is not an object'],
    ['has a place that is none', 'challenges', '{"p":{}}', 'challenges is not PROJECT/ZONE'],
    ['lacks a key', 'lease', '{"until":"2026-01-01"}', 'lease.holder is not a text'],
    ['has a number for a text', 'askers', '{"prod":[1]}', 'askers.prod[0] is not a text'],
    [
      'has a text for a number',
      'order',
      '{"url":"u","after":"1"}',
      'order.after is not a whole number',
    ],
    [
      'has a directory that is none',
      'order',
      '{"url":"u","after":1,"directory":1}',
      'order.directory is not a text',
    ],
    [
      'has a key that is no number',
      'order',
      '{"url":"u","after":1,"key":"1"}',
      'order.key is not a whole number',
    ],
    ['has no time', 'order', '{"url":"u","after":1,"at":"x"}', 'order.at is not a time'],
    [
      'has a fraction',
      'issued',
      ISSUED.replace('"version":1', '"version":1.5'),
      'issued.version is not a whole number',
    ],
    [
      'has a time that is none',
      'lease',
      '{"holder":"h","until":"soon"}',
      'lease.until is not a time',
    ],
    [
      'has an unknown key type',
      'identity',
      '{"namesDigest":"d","issuer":"i","keyType":"dsa"}',
      'identity.keyType is not a key type',
    ],
    [
      'has names that are null',
      'identity',
      '{"names":null,"namesDigest":"d","issuer":"i","keyType":"rsa-2048"}',
      'identity.names is not a list',
    ],
    [
      'has a challenge whose value is a number',
      'challenges',
      '{"p/z":{"o":[1]}}',
      'challenges.p/z.o[0] is not a text',
    ],
    [
      'has a target without a Secret',
      'manual',
      '{"targets":["prod/shop"],"by":"b","at":"2026-01-01"}',
      'manual.targets[0] is not CLUSTER/NAMESPACE/SECRET',
    ],
    [
      'has a target without a namespace',
      'manual',
      '{"targets":["prod//tls"],"by":"b","at":"2026-01-01"}',
      'manual.targets[0] is not CLUSTER',
    ],
    [
      'has a target without a cluster',
      'manual',
      '{"targets":["/shop/tls"],"by":"b","at":"2026-01-01"}',
      'manual.targets[0] is not CLUSTER',
    ],
    [
      'has a target of four parts',
      'manual',
      '{"targets":["a/b/c/d"],"by":"b","at":"2026-01-01"}',
      'manual.targets[0] is not CLUSTER',
    ],
  ])('%s', ([, field, text, problem]) => {
    expect(broken(field, text)).toEqual({ problem: expect.stringContaining(problem) });
  });

  test('are never thrown at anybody', () => {
    const garbage = fc.oneof(fc.string(), fc.json());
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...RECORD_FIELDS), garbage), (annotations) => {
        const found = parseRecord({ ...recordAnnotations(FULL), ...annotations, format: '1' });
        expect('record' in found || found.problem.length > 0).toBe(true);
      }),
    );
  });
});

// Written by zone and owner; nothing asks for their order.
const inOrder = (parsed: ReturnType<typeof readAgain>) =>
  'problem' in parsed
    ? parsed
    : {
        record: {
          ...parsed.record,
          challenges: parsed.record.challenges.map((challenge) => JSON.stringify(challenge)).sort(),
        },
      };

test('any record is read as it was written', () => {
  const text = fc.string({ maxLength: 40 });
  const moment = fc.date({ noInvalidDate: true });
  const word = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);
  const count = fc.nat();
  const maybe = <T>(item: fc.Arbitrary<T>) => fc.option(item, { nil: undefined });
  const records: fc.Arbitrary<CertificateRecord> = fc.record({
    identity: fc.record({
      names: maybe(fc.array(text)),
      namesDigest: text,
      issuer: text,
      keyType: fc.constantFrom('ec-p256' as const, 'rsa-2048' as const),
    }),
    askers: fc
      .uniqueArray(word, { maxLength: 5 })
      .map((words) => words.map((namespace) => ({ cluster: 'prod', namespace }))),
    manual: maybe(
      fc.record({
        targets: fc.array(fc.record({ cluster: word, namespace: word, secret: word })),
        by: text,
        at: moment,
      }),
    ),
    lease: maybe(fc.record({ holder: text, until: moment })),
    order: maybe(
      fc.record({
        ...{ url: text, after: count, at: maybe(moment) },
        ...{ directory: maybe(text), key: maybe(count) },
      }),
    ),
    challenges: fc.array(fc.record({ project: word, zone: word, owner: word, value: text })),
    issued: maybe(
      fc.record({
        version: count,
        serial: text,
        fingerprint: text,
        notBefore: moment,
        notAfter: moment,
      }),
    ),
    failure: maybe(fc.record({ code: text, message: text, count, retryAt: moment })),
    delivered: maybe(
      fc.record({ version: count, at: moment, failed: fc.array(text, { maxLength: 5 }) }),
    ),
  });
  fc.assert(
    fc.property(records, (of) => {
      expect(inOrder(readAgain(of))).toEqual(inOrder({ record: of }));
    }),
  );
});
