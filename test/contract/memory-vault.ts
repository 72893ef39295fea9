import type { KeyVault } from '../../shared/ports.ts';
import type { Sensitive } from '../../shared/sensitive.ts';

/** Secrets in this process, for parts that need a vault and are not about it. `written` is every value so far. */
export function memoryVault(): KeyVault & Readonly<{ written: Sensitive[] }> {
  const values = new Map<string, Sensitive>();
  const written: Sensitive[] = [];
  return {
    written,
    read: async (name) => values.get(name),
    write: async (name, _kind, value) => {
      written.push(value);
      values.set(name, value);
    },
    destroy: async (name) => {
      values.delete(name);
    },
  };
}
