import { createPrivateKey } from 'node:crypto';
import { CertificateError } from '../errors.ts';
import type { Bundle } from '../ports.ts';
import { Sensitive } from '../sensitive.ts';

// Labels of RFC 7468. Text between the blocks is a comment, as openssl writes it, and is left out.
const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----/g;
const ENCRYPTED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/;

/** Every PEM block of one label, in the order of the text, each ending with a new line. */
export const pemBlocks = (text: string, label: string): readonly string[] =>
  blocks(text)
    .filter((block) => block.label === label)
    .map((block) => block.pem);

/**
 * A stored payload, taken apart: one private key and at least one certificate, in any order of the two, the certificates in theirs.
 * The key may be PKCS #8, PKCS #1 or SEC 1 and leaves as PKCS #8. Throws `certificate-invalid`, naming `resource`.
 */
export function parseBundle(text: string, resource: string): Bundle {
  const keys = blocks(text).filter(({ label }) => label.endsWith('PRIVATE KEY'));
  const chain = pemBlocks(text, 'CERTIFICATE');
  if (ENCRYPTED.test(text)) throw unusable(resource, 'its private key is encrypted');
  if (keys.length !== 1) throw unusable(resource, `it holds ${keys.length} private keys, not one`);
  if (chain.length === 0) throw unusable(resource, 'it holds no certificate');
  return { key: pkcs8(keys[0]?.pem ?? '', resource), chain: chain.join('') };
}

/** A bundle as it is stored: the private key, then the chain as the CA gave it, leaf first. */
export const bundleText = ({ key, chain }: Bundle): Sensitive =>
  new Sensitive(`${endedLine(key.reveal())}${endedLine(chain)}`);

function blocks(text: string): readonly Readonly<{ label: string; pem: string }>[] {
  return [...text.matchAll(BLOCK)].map(([pem, label = '']) => ({
    label,
    pem: endedLine(pem.replaceAll('\r', '')),
  }));
}

function pkcs8(pem: string, resource: string): Sensitive {
  try {
    const key = createPrivateKey(pem);
    return new Sensitive(key.export({ type: 'pkcs8', format: 'pem' }) as string);
  } catch {
    // Without the cause on purpose: no library's words about key material go anywhere.
    throw unusable(resource, 'its private key cannot be parsed');
  }
}

const endedLine = (text: string) => (text.endsWith('\n') ? text : `${text}\n`);

const unusable = (resource: string, problem: string) =>
  new CertificateError(
    'certificate-invalid',
    `${resource} is no certificate bundle: ${problem}; store one unencrypted private key followed by the chain, all PEM`,
  );
