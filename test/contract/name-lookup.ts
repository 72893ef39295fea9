import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NameLookup } from '../../shared/ports.ts';

/**
 * A DNS with the delegated zones a.test and b.test (served by `nameServers`), the zone lame.test that its parent does not delegate,
 * and the zone broken.test that is delegated to a server out of reach. away.a.test is delegated to servers of another provider, and
 * beside.a.test to those of a zone of that name on the very same servers.
 */
export type LookupUnderTest = Readonly<{
  lookup: NameLookup;
  nameServers: readonly string[];
  put(set: Readonly<{ name: string; type: string; rrdatas: readonly string[] }>): Promise<void>;
  close(): Promise<void>;
}>;

export function nameLookupContract(title: string, create: () => Promise<LookupUnderTest>) {
  describe(title, () => {
    let under: LookupUnderTest;
    beforeAll(async () => {
      under = await create();
    });
    afterAll(() => under?.close());

    const alias = (name: string, target: string) =>
      under.put({ name, type: 'CNAME', rrdatas: [`${target}.`] });

    test('finds the end of a chain of aliases, across zones and where nothing stands', async () => {
      await alias('_acme-challenge.a.test', 'hop.b.test');
      await alias('hop.b.test', 'end.a.test');
      expect(await under.lookup.canonicalName('_acme-challenge.a.test')).toBe('end.a.test');
    });

    test.for([
      ['a name without an alias', 'plain.a.test', 'plain.a.test'],
      ['a name in upper case with its last dot', 'PLAIN.A.test.', 'plain.a.test'],
      ['a name outside every zone', 'nowhere.invalid', 'nowhere.invalid'],
    ] as const)('leaves %s as it is', async ([, name, expected]) => {
      expect(await under.lookup.canonicalName(name)).toBe(expected);
    });

    test('follows eight aliases and no more', async () => {
      for (let n = 0; n < 9; n += 1) await alias(`chain${n}.a.test`, `chain${n + 1}.a.test`);
      expect(await under.lookup.canonicalName('chain1.a.test')).toBe('chain9.a.test');
      await expect(under.lookup.canonicalName('chain0.a.test')).rejects.toMatchObject({
        code: 'dns-name-blocked',
      });
    });

    test('refuses a loop and shows it', async () => {
      await alias('one.a.test', 'two.b.test');
      await alias('two.b.test', 'one.a.test');
      await expect(under.lookup.canonicalName('one.a.test')).rejects.toMatchObject({
        code: 'dns-name-blocked',
        message: expect.stringContaining('one.a.test -> two.b.test -> one.a.test'),
      });
    });

    test('tells no answer from no alias', async () => {
      await expect(under.lookup.canonicalName('www.broken.test')).rejects.toMatchObject({
        code: 'dns-unavailable',
        message: expect.stringContaining('www.broken.test'),
      });
    });

    test('finds the name servers of a zone in normal form', async () => {
      const found = await under.lookup.delegation('A.test.');
      expect(found.toSorted()).toEqual(under.nameServers.toSorted());
    });

    test('finds no name servers of a zone that is not delegated', async () => {
      expect(await under.lookup.delegation('lame.test')).toEqual([]);
      expect(await under.lookup.delegation('nowhere.invalid')).toEqual([]);
    });

    test('tells no answer from no delegation', async () => {
      await expect(under.lookup.delegation('broken.test')).rejects.toMatchObject({
        code: 'dns-unavailable',
      });
    });

    test('asks every server until each has every value', async () => {
      const { lookup, nameServers, put } = under;
      const owner = '_acme-challenge.waiting.a.test';
      const missing = (values: readonly string[]) =>
        lookup.serversWithout(nameServers, owner, values);
      expect(await missing(['x', 'y'])).toHaveLength(nameServers.length);
      await put({ name: owner, type: 'TXT', rrdatas: ['"x"'] });
      expect(await missing(['x'])).toEqual([]);
      const [first = ''] = await missing(['x', 'y']);
      expect(first).toMatch(/^[a-z0-9.-]+ \(.+\): lacks 1 of 2 values$/);
      await put({ name: owner, type: 'TXT', rrdatas: ['"y"', '"x"', '"foreign"'] });
      expect(await missing(['x', 'y'])).toEqual([]);
    });

    test.for<[string, string, string | undefined]>([
      ['refers to other servers', 'www.away.a.test', 'away.a.test'],
      ['refers to other servers at that very name', 'away.a.test', 'away.a.test'],
      ['answers from another zone', 'www.beside.a.test', 'beside.a.test'],
      ['has nothing of that name', 'www.a.test', undefined],
      ['has the name with another type', 'hop.a.test', undefined],
      ['has the very values', 'txt.a.test', undefined],
      ['has a wildcard alias into another zone', 'www.wild.a.test', undefined],
    ])('tells what is cut off a zone that %s', async ([, owner, expected]) => {
      const { lookup, nameServers, put } = under;
      await put({ name: 'hop.a.test', type: 'A', rrdatas: ['192.0.2.1'] });
      await put({ name: 'txt.a.test', type: 'TXT', rrdatas: ['"x"'] });
      await alias('*.wild.a.test', 'nothing.beside.a.test');
      expect(await lookup.cutBelow({ dnsName: 'a.test', nameServers }, owner)).toBe(expected);
    });

    test('knows of no cut where no server can be reached', async () => {
      const zone = { dnsName: 'a.test', nameServers: ['ns.nowhere.invalid'] };
      expect(await under.lookup.cutBelow(zone, 'www.away.a.test')).toBeUndefined();
    });

    test('reads a set that needs TCP', async () => {
      const values = Array.from({ length: 60 }, (_, n) => `value-${n}-${'x'.repeat(30)}`);
      const owner = '_acme-challenge.long.a.test';
      await under.put({ name: owner, type: 'TXT', rrdatas: values.map((value) => `"${value}"`) });
      expect(await under.lookup.serversWithout(under.nameServers, owner, values)).toEqual([]);
    });

    test('names a server that has no address, and one that is no authority', async () => {
      const { lookup, nameServers } = under;
      expect(await lookup.serversWithout(['ns.nowhere.invalid'], 'x.a.test', ['x'])).toEqual([
        'ns.nowhere.invalid: has no address',
      ]);
      const [problem] = await lookup.serversWithout(nameServers.slice(0, 1), 'x.invalid', ['x']);
      expect(problem).toMatch(/: answers REFUSED$/);
    });
  });
}
