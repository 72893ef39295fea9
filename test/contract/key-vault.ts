import { expect, test } from 'vitest';
import type { KeyVault } from '../../shared/ports.ts';
import { Sensitive } from '../../shared/sensitive.ts';

/** What a KeyVault promises. Each call of `create` may give the same store: names are not used twice. */
export function keyVaultContract(create: () => KeyVault): void {
  const read = async (name: string) => (await create().read(name))?.reveal();
  const write = (name: string, value: string) =>
    create().write(name, 'pending', new Sensitive(value));

  test('a name that was never written is undefined', async () => {
    expect(await read('herd-pending-none')).toBeUndefined();
  });

  test('a value is read back as it was written', async () => {
    await write('herd-pending-one', '-----BEGIN KEY-----\nä\n');
    expect(await read('herd-pending-one')).toBe('-----BEGIN KEY-----\nä\n');
  });

  test('the newest of several values is read', async () => {
    await write('herd-pending-many', 'old');
    await write('herd-pending-many', 'new');
    expect(await read('herd-pending-many')).toBe('new');
  });

  test('each value is read by the number that its writing gave', async () => {
    const vault = create();
    const first = await write('herd-pending-numbered', 'first');
    const second = await write('herd-pending-numbered', 'second');
    const at = async (version: number) =>
      (await vault.read('herd-pending-numbered', version))?.reveal();
    expect(await at(first)).toBe('first');
    expect(await at(second)).toBe('second');
    expect(await at(second + 1)).toBeUndefined();
    await vault.destroy('herd-pending-numbered', second);
    expect(await at(second)).toBeUndefined();
    expect(await vault.read('herd-pending-nowhere', 1)).toBeUndefined();
    await vault.destroy('herd-pending-nowhere', 1);
  });

  test('what was destroyed is undefined, every older value too', async () => {
    await write('herd-pending-gone', 'old');
    await write('herd-pending-gone', 'new');
    await create().destroy('herd-pending-gone');
    expect(await read('herd-pending-gone')).toBeUndefined();
  });

  test('a value can be written after others were destroyed', async () => {
    await write('herd-pending-again', 'old');
    await create().destroy('herd-pending-again');
    await write('herd-pending-again', 'new');
    expect(await read('herd-pending-again')).toBe('new');
  });

  test('destroying twice, or what is absent, is fine', async () => {
    await write('herd-pending-twice', 'value');
    await create().destroy('herd-pending-twice');
    await create().destroy('herd-pending-twice');
    await create().destroy('herd-pending-absent');
  });

  test('two who write at once both succeed, and one of the values is read', async () => {
    await Promise.all([write('herd-pending-race', 'a'), write('herd-pending-race', 'b')]);
    expect(['a', 'b']).toContain(await read('herd-pending-race'));
  });
}
