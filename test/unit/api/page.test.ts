import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { html } from '../../../functions/api/html.ts';
import { PAGE_POLICY, statusPage } from '../../../functions/api/page.ts';
import { untilEnd } from '../../../functions/api/page-time.ts';
import { type Readings, readings, statusDocument } from '../../../functions/api/status.ts';
import { CertificateError } from '../../../shared/errors.ts';
import { day, identity, issued, later, record, stored } from '../build.ts';

const NOW = day(10);
const HOUR_MS = 3_600_000;

const seen = (differs: Partial<Readings> = {}): Readings => ({
  schedule: { state: 'ENABLED', lastRunAt: day(9), lastResult: 'ok', nextRunAt: day(11) },
  queues: [{ issuer: 'production', queue: 'q', state: 'RUNNING', problem: undefined }],
  inventory: { records: [stored()], invalid: [] },
  now: NOW,
  ...differs,
});

describe('the template', () => {
  const hostile = `"><script>alert('1')</script>&`;

  test('escapes every value, in text and in attributes', () => {
    expect(html`<a title="${hostile}">${hostile}</a>`.markup).toBe(
      '<a title="&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;">&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;</a>',
    );
  });

  test('lets its own kind through, once', () => {
    const items = ['<', '>'].map((text) => html`<li>${text}</li>`);
    expect(html`<ul>${items}</ul>${undefined}${3}`.markup).toBe(
      '<ul><li>&lt;</li><li>&gt;</li></ul>3',
    );
  });
});

describe('the page', () => {
  test('has the very style that its policy allows', () => {
    const style = /<style>(.*)<\/style>/s.exec(statusPage(seen()))?.[1] ?? '';
    expect(PAGE_POLICY).toContain(`style-src 'sha256-${hash('sha256', style, 'base64')}'`);
    expect(style).not.toBe('');
  });

  test.for<[string, Partial<Readings>, string[]]>([
    [
      'a certificate with its end, serial and delivery',
      {},
      ['www.a.test', 'in 80 days', '<code>0a</code>', 'delivered', 'datetime="2026-04-01T'],
    ],
    [
      'a failure with its sentence and the next attempt',
      {
        inventory: {
          records: [
            stored({
              issued: undefined,
              failure: { code: 'ca-rejected', message: '<no>', count: 2, retryAt: day(11) },
            }),
          ],
          invalid: [],
        },
      },
      [
        'ca-rejected: &lt;no&gt;',
        'failed 2 times in a row',
        'not issued yet',
        '2026-01-12 00:00 UTC',
      ],
    ],
    [
      'a Secret that refused it',
      {
        inventory: {
          records: [
            stored({ delivered: { version: 1, at: day(0), failed: ['Secret p/s/t & so on'] } }),
          ],
          invalid: [],
        },
      },
      ['<span class="bad">in part</span>', 'Secret p/s/t &amp; so on'],
    ],
    [
      'one that went nowhere, for the only Secret refused it',
      {
        inventory: {
          records: [
            stored({ delivered: { version: 1, at: day(0), failed: ['Secret prod/shop/tls no'] } }),
          ],
          invalid: [],
        },
      },
      [
        '<dt>Not delivered</dt><dd><span class="bad">1</span></dd>',
        '<span class="bad">not delivered</span>',
        'Secret prod/shop/tls no',
      ],
    ],
    [
      'what is not to be delivered yet, or to nobody',
      {
        inventory: {
          records: [
            stored({ issued: undefined, delivered: undefined }),
            stored({ issued: issued({ version: 2 }) }),
            stored({ delivered: undefined, askers: [] }),
          ],
          invalid: [],
        },
      },
      [
        '<span class="soft">nothing to deliver</span>',
        '<span class="">not yet delivered</span>',
        '<span class="">stored only</span>',
      ],
    ],
    [
      'names that do not fit',
      {
        inventory: {
          records: [
            stored({}, identity({ names: [...'abcdefgh'].map((label) => `${label}.a.test`) })),
            stored({ identity: { ...record().identity, names: undefined } }),
          ],
          invalid: [],
        },
      },
      ['f.a.test', 'and 2 more', 'while its order is open'],
    ],
    ['that there is none', { inventory: { records: [], invalid: [] } }, ['There is none yet']],
    [
      'parts that are away',
      {
        schedule: { error: 'no schedule' },
        queues: { error: 'no queue' },
        inventory: { error: 'no store' },
      },
      ['no schedule', 'no queue', 'cannot be read: no store'],
    ],
    [
      'a record that is not ours',
      { inventory: { records: [], invalid: [{ id: 'x-1', problem: 'has record format 2' }] } },
      ['The record of <code>x-1</code> has record format 2.'],
    ],
  ])('shows %s', ([, differs, texts]) => {
    const page = statusPage(seen(differs));
    for (const text of texts) expect(page).toContain(text);
  });
});

test.for<[string, number, string]>([
  ['in days', 48 * HOUR_MS, 'in 2 days'],
  ['in hours on the last two', 48 * HOUR_MS - 1, 'in 47 hours'],
  ['one hour', HOUR_MS, 'in 1 hour'],
  ['a moment', 1, 'in 0 hours'],
  ['over', 0, 'expired'],
])('the end is told %s', ([, ms, words]) => {
  expect(untilEnd(later(NOW, ms), NOW)).toBe(words);
});

describe('the status', () => {
  test('counts by the end of life, both sides of a week', () => {
    const ends = [NOW, later(NOW, 1), later(day(17), -1), day(17)];
    const records = ends.map((notAfter, index) =>
      stored(
        { issued: issued({ notAfter: index === 0 ? later(NOW, -1) : notAfter }) },
        identity({ names: [`${index}.a.test`] }),
      ),
    );
    const { certificates, next } = statusDocument(seen({ inventory: { records, invalid: [] } }));
    expect(certificates).toEqual({
      total: 4,
      issued: 4,
      failed: 0,
      expired: 1,
      expiringWithin7Days: 2,
      invalid: [],
    });
    expect(next).toMatchObject({ id: records[0]?.id });
  });

  test.for<[unknown, string]>([
    [new CertificateError('not-permitted', 'no queue\n  today'), 'no queue today'],
    [new Error('at Object.<anonymous>'), 'cannot be read now'],
  ])('has our own sentence of each part that fails or keeps silent: %s', async ([fault, error]) => {
    const never = () => new Promise<never>(() => {});
    const found = await readings(
      {
        schedule: { run: never, state: never },
        queueStates: async () => {
          throw fault;
        },
        records: { list: async () => [], read: never, create: never, update: never },
        time: { now: () => NOW, sleep: never },
      },
      AbortSignal.timeout(5),
    );
    expect(found).toEqual({
      schedule: { error: 'gives no answer in time; look again in a minute' },
      queues: { error },
      inventory: { records: [], invalid: [] },
      now: NOW,
    });
  });
});
