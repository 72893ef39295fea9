import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SavedChallenge } from '../../shared/domain/record.ts';
import type { Zones } from '../../shared/ports.ts';

/** A record set in the API's text form. */
export type RecordSet = Readonly<{
  name: string;
  type: string;
  ttl: number;
  rrdatas: readonly string[];
}>;

/** A Cloud DNS with the project `p`: the public zones `a-test` and `b-test`, the private zone `inner` of the name a.test. */
export type ZonesUnderTest = Readonly<{
  zones: Zones;
  /** Puts a set into the zone a-test, over one of the same type. */
  put(set: RecordSet): Promise<void>;
  /** What stands at a name of the zone a-test. */
  at(owner: string): Promise<readonly RecordSet[]>;
  /** How many changes were made in a-test. */
  changes(): Promise<number>;
  /** Lets another writer in before each of the next changes to a-test. */
  interfere(turns: readonly (() => Promise<void>)[]): void;
  close(): Promise<void>;
}>;

export function zonesContract(title: string, create: () => Promise<ZonesUnderTest>) {
  describe(title, () => {
    let under: ZonesUnderTest;
    let names = 0;
    beforeAll(async () => {
      under = await create();
    });
    afterAll(() => under?.close());

    /** An owner of a test's own. */
    const owner = () => {
      names += 1;
      return `_acme-challenge.n${names}.a.test`;
    };
    const challenge = (name: string, value: string, zone = 'a-test'): SavedChallenge => ({
      ...{ project: 'p', zone },
      ...{ owner: name, value },
    });
    const txt = (name: string, ttl: number, ...rrdatas: readonly string[]): RecordSet => ({
      ...{ name: `${name}.`, type: 'TXT' },
      ...{ ttl, rrdatas },
    });

    test('is tried out without a change', async () => {
      const before = await under.changes();
      const [zone] = (await under.zones.list('p')).filter((each) => each.zone === 'a-test');
      if (!zone) throw new Error('there is no zone a-test');
      await under.zones.tryOut(zone);
      expect(await under.changes()).toBe(before);
      const gone = under.zones.tryOut({ ...zone, zone: 'gone' });
      await expect(gone).rejects.toThrow(/zone gone of project p/);
    });

    test('lists the public zones with their names in normal form', async () => {
      const found = await under.zones.list('p');
      expect(found.map(({ zone, dnsName }) => `${zone} ${dnsName}`).sort()).toEqual([
        'a-test a.test',
        'b-test b.test',
      ]);
      for (const { project, nameServers } of found) {
        expect(project).toBe('p');
        expect(nameServers.length).toBeGreaterThan(0);
        for (const server of nameServers) expect(server).toMatch(/^[a-z0-9.-]+[a-z]$/);
      }
    });

    test('writes all values of a zone in one change', async () => {
      const [one, other] = [owner(), owner()];
      const before = await under.changes();
      await under.zones.present([challenge(one, 'x'), challenge(one, 'y'), challenge(other, 'z')]);
      expect(await under.at(one)).toEqual([txt(one, 60, '"x"', '"y"')]);
      expect(await under.at(other)).toEqual([txt(other, 60, '"z"')]);
      expect(await under.changes()).toBe(before + 1);
    });

    test('writes into several zones', async () => {
      const name = owner();
      await under.zones.present([
        challenge(name, 'x'),
        challenge('_acme-challenge.b.test', 'y', 'b-test'),
      ]);
      await under.zones.remove([challenge('_acme-challenge.b.test', 'y', 'b-test')]);
      expect(await under.at(name)).toEqual([txt(name, 60, '"x"')]);
    });

    test('keeps foreign values and their TTL, and takes out only its own', async () => {
      const name = owner();
      await under.put(txt(name, 300, '"foreign"', '"other words"'));
      await under.zones.present([challenge(name, 'x')]);
      expect(await under.at(name)).toEqual([txt(name, 300, '"foreign"', '"other words"', '"x"')]);
      await under.zones.remove([challenge(name, 'x')]);
      expect(await under.at(name)).toEqual([txt(name, 300, '"foreign"', '"other words"')]);
    });

    test('takes the set away with its last value', async () => {
      const name = owner();
      await under.zones.present([challenge(name, 'x')]);
      await under.zones.remove([challenge(name, 'x')]);
      expect(await under.at(name)).toEqual([]);
    });

    test('changes nothing the second time', async () => {
      const name = owner();
      await under.zones.present([challenge(name, 'x')]);
      const before = await under.changes();
      await under.zones.present([challenge(name, 'x')]);
      expect(await under.changes()).toBe(before);
    });

    test('removes what was never there, and from a zone that is gone', async () => {
      await under.zones.remove([challenge(owner(), 'x'), challenge(owner(), 'x', 'gone')]);
    });

    test('keeps the value of a writer who was quicker', async () => {
      const name = owner();
      await under.zones.present([challenge(name, 'x')]);
      under.interfere([
        () => under.put(txt(name, 60, '"x"', '"quicker"')),
        () => under.put(txt(name, 60, '"x"', '"quicker"', '"again"')),
      ]);
      await under.zones.present([challenge(name, 'y')]);
      expect(await under.at(name)).toEqual([txt(name, 60, '"x"', '"quicker"', '"again"', '"y"')]);
    });

    test('keeps the set of a writer who was there first', async () => {
      const name = owner();
      under.interfere([() => under.put(txt(name, 300, '"first"'))]);
      await under.zones.present([challenge(name, 'x')]);
      expect(await under.at(name)).toEqual([txt(name, 300, '"first"', '"x"')]);
    });

    test('is content with a change that had arrived before', async () => {
      const name = owner();
      const before = await under.changes();
      under.interfere([() => under.put(txt(name, 60, '"x"'))]);
      await under.zones.present([challenge(name, 'x')]);
      expect(await under.at(name)).toEqual([txt(name, 60, '"x"')]);
      expect(await under.changes()).toBe(before + 1);
    });

    test('loses nothing when four write one set at once', async () => {
      const name = owner();
      const values = ['a', 'b', 'c', 'd'];
      await Promise.all(values.map((value) => under.zones.present([challenge(name, value)])));
      const [set] = await under.at(name);
      expect(set?.rrdatas.toSorted()).toEqual(values.map((value) => `"${value}"`));
    });

    test.for<[string, string, RecordSet | undefined, string]>([
      ['a name that proves nothing', 'www.a.test', undefined, 'no _acme-challenge name'],
      [
        'a name where a CNAME stands',
        '_acme-challenge.alias.a.test',
        { name: '_acme-challenge.alias.a.test.', type: 'CNAME', ttl: 60, rrdatas: ['b.test.'] },
        'a CNAME stands there',
      ],
      [
        'a set that is full',
        '_acme-challenge.full.a.test',
        txt('_acme-challenge.full.a.test', 60, ...Array.from({ length: 100 }, (_, n) => `"${n}"`)),
        'more than 100 values',
      ],
    ])('refuses %s', async ([, name, there, words]) => {
      if (there) await under.put(there);
      const before = await under.at(name);
      await expect(under.zones.present([challenge(name, 'x')])).rejects.toMatchObject({
        code: 'dns-name-blocked',
        message: expect.stringContaining(words),
      });
      expect(await under.at(name)).toEqual(before);
    });

    test('tells an alias from one that a wildcard makes up', async () => {
      const [zone] = (await under.zones.list('p')).filter((one) => one.zone === 'a-test');
      if (!zone) throw new Error('there is no zone a-test');
      const [alias, plain] = [owner(), owner()];
      const cname = { type: 'CNAME', ttl: 60, rrdatas: ['lb.b.test.'] };
      await under.put({ ...cname, name: '*.wild.a.test.' });
      await under.put({ ...cname, name: `${alias}.` });
      await under.put(txt(plain, 60, '"x"'));
      const names = [alias, plain, '_acme-challenge.wild.a.test', owner()];
      const found = await Promise.all(names.map((name) => under.zones.hasAlias(zone, name)));
      expect(found).toEqual([true, false, false, false]);
    });

    test('names the zone that is gone', async () => {
      await expect(under.zones.present([challenge(owner(), 'x', 'gone')])).rejects.toMatchObject({
        code: 'dns-unavailable',
        message: expect.stringContaining('zone gone of project p'),
      });
    });

    test('writes elsewhere even when one zone is gone', async () => {
      const name = owner();
      await expect(
        under.zones.present([challenge(owner(), 'x', 'gone'), challenge(name, 'x')]),
      ).rejects.toMatchObject({ code: 'dns-unavailable' });
      expect(await under.at(name)).toEqual([txt(name, 60, '"x"')]);
    });
  });
}
