import type { KeyVault } from '../../shared/ports.ts';
import type { Sensitive } from '../../shared/sensitive.ts';

/** Secrets in this process, for parts that need a vault and are not about it. `written` is every value so far. */
export function memoryVault(): KeyVault & Readonly<{ written: Sensitive[] }> {
  const values = new Map<string, (Sensitive | undefined)[]>();
  const written: Sensitive[] = [];
  return {
    written,
    read: async (name, version) => values.get(name)?.at(version === undefined ? -1 : version - 1),
    write: async (name, _kind, value) => {
      written.push(value);
      const versions = [...(values.get(name) ?? []), value];
      values.set(name, versions);
      return versions.length;
    },
    destroy: async (name) => {
      values.set(
        name,
        (values.get(name) ?? []).map(() => undefined),
      );
    },
  };
}
