import type { Request, Response } from '@google-cloud/functions-framework';
import { expect, test } from 'vitest';
import { entry } from '../../functions/entry.ts';
import { CertificateError } from '../../shared/errors.ts';
import type { Log } from '../../shared/ports.ts';

const thrown = (error: unknown) => async () => {
  throw error;
};

/** What is logged, at which level, and what whoever woke the function is told. */
async function answered(error: unknown) {
  const said: unknown[] = [];
  const at = (level: string) => (message: string) => said.push(level, message);
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const request = { method: 'POST', path: '/', get: () => undefined } as unknown as Request;
  const response = {
    status(status: number) {
      said.push(status);
      return response;
    },
    json: (body: unknown) => said.push(body),
  };
  const handle = thrown(error);
  await entry({ log, project: 'p', handle })(request, response as unknown as Response);
  return said;
}

test.for<[string, unknown, string, string, number, string]>([
  [
    'what waiting may mend calls nobody',
    new CertificateError('ca-unavailable', 'the CA is away'),
    ...(['warn', 'failed, will be tried again', 500, 'ca-unavailable'] as const),
  ],
  [
    'a missing grant calls a person, and the work comes again once it is there',
    new CertificateError('not-permitted', 'grant x on y'),
    ...(['error', 'failed, will be tried again', 500, 'not-permitted'] as const),
  ],
  [
    'what no repetition mends is given up',
    new CertificateError('record-invalid', 'format 2'),
    ...(['error', 'given up', 200, 'record-invalid'] as const),
  ],
  [
    'a defect of ours says nothing outside',
    new TypeError('x is not a function'),
    ...(['error', 'failed, will be tried again', 500, 'internal'] as const),
  ],
])('%s', async ([, error, level, message, status, code]) => {
  expect(await answered(error)).toEqual([level, message, status, { error: code }]);
});
