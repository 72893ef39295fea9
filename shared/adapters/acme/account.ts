import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { CertificateError } from '../../errors.ts';
import type { KeyVault } from '../../ports.ts';
import { Sensitive } from '../../sensitive.ts';

/** An account key, and the account's URL at one CA once that is known. */
export type Account = Readonly<{ key: Sensitive; url: string | undefined }>;

/** Where the account is kept between processes. */
export type AccountStore = Readonly<{
  /** The account that is stored; at the first use a new key, which is in the vault before any CA hears of it. */
  open(): Promise<Account>;
  /** Remembers the URL; returns false when another process has stored another key meanwhile: open that one instead. */
  remember(account: Account): Promise<boolean>;
}>;

const HEADER = /^account: (\S+) directory: (\S+)$/m;
const KEY = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[A-Za-z0-9+/=\s]+-----END \1-----\n?/;

/**
 * The payload is the key as PEM under one line with the account's URL and the directory it is from, which openssl reads over.
 * A key alone, as a person would import it, is fine too; then its account is looked up.
 */
export function createAccountStore(
  vault: KeyVault,
  secret: string,
  directory: string,
): AccountStore {
  const read = async (): Promise<Account | undefined> => {
    const payload = await vault.read(secret);
    return payload && parsedAccount(payload.reveal(), secret, directory);
  };
  return {
    async open() {
      const stored = await read();
      if (stored) return stored;
      await vault.write(secret, 'account', newAccountKey());
      // Read again: of two processes that start at once, both must go on with the newer key.
      const agreed = await read();
      if (agreed) return agreed;
      throw new CertificateError(
        'store-unavailable',
        `the account key just stored in ${secret} cannot be read back`,
      );
    },
    async remember({ key, url }) {
      const stored = await read();
      if (stored && stored.key.reveal() !== key.reveal()) return false;
      const payload = `account: ${url} directory: ${directory}\n${key.reveal()}`;
      if (stored?.url !== url) await vault.write(secret, 'account', new Sensitive(payload));
      return true;
    },
  };
}

function parsedAccount(payload: string, secret: string, directory: string): Account {
  const [key = ''] = KEY.exec(payload) ?? [];
  if (!isPrivateKey(key))
    throw new CertificateError(
      'config-invalid',
      `the secret ${secret} holds no private key in PEM; store the account's key in it or disable that version`,
    );
  const [, url, from] = HEADER.exec(payload) ?? [];
  // The URL of another CA is of no use: the issuer's directory was changed.
  return { key: new Sensitive(key), url: from === directory ? url : undefined };
}

function isPrivateKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).type === 'private';
  } catch {
    return false;
  }
}

function newAccountKey(): Sensitive {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return new Sensitive(privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
}
