import { appendFileSync, writeFileSync } from 'node:fs';

/** One call to a stand-in, in the form that `test/conformance/check.py` reads. */
export type RecordedCall = Readonly<{
  service: string;
  method: string;
  url: string;
  request: unknown;
  status: number;
  response: unknown;
}>;

export type Recorder = (call: RecordedCall) => void;

/** Appends each call to a fresh file as one JSON line, without any secret in it. */
export function createRecorder(path: string): Recorder {
  writeFileSync(path, '', { mode: 0o600 });
  return (call) => appendFileSync(path, `${JSON.stringify(redacted(call))}\n`);
}

const TOKEN = /(ya29\.|Bearer |eyJ)[A-Za-z0-9._~+/=-]+/g;

/** Secret payloads and tokens, replaced by values of the same form (base64 stays base64). */
function redacted(value: unknown, path: readonly string[] = []): unknown {
  if (typeof value === 'string') {
    const [parent, key] = path.slice(-2);
    if (parent === 'payload' && key === 'data') return Buffer.from('redacted').toString('base64');
    return value.replace(TOKEN, '$1redacted');
  }
  if (Array.isArray(value)) return value.map((item) => redacted(item, path));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, redacted(item, [...path, key])]),
  );
}
