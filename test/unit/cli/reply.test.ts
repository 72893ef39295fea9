import { createServer, type ServerResponse } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { replyOf } from '../../../cli/reply.ts';
import { bearerToken, outputOfCommand } from '../../../cli/token.ts';
import { listenOnLoopback } from '../../../local/google-api.ts';

async function serving(reply: (response: ServerResponse) => void): Promise<string> {
  const api = createServer((_, response) => reply(response));
  const { url, close } = await listenOnLoopback(api, 0);
  onTestFinished(async () => {
    api.closeAllConnections();
    await close();
  });
  return url;
}

test.for<[string, (response: ServerResponse) => void]>([
  ['nothing', () => {}],
  ['half an answer', (response) => void response.writeHead(200).write('{')],
])('whoever gives %s is not waited for without end', async ([, reply]) => {
  const url = await serving(reply);
  const asked = replyOf(url, '/', { signal: AbortSignal.timeout(100) });
  await expect(asked).rejects.toMatchObject({
    exitCode: 1,
    message: `${url} gives no whole answer in time; try again`,
  });
});

test('an identity that breaks off is told like every other answer', async () => {
  const url = await serving((response) => {
    response.writeHead(200, { 'content-length': 9 }).write('x', () => response.destroy());
  });
  await expect(bearerToken({ url, tokenCommand: undefined })).rejects.toMatchObject({
    exitCode: 1,
    message: `the answer of ${url} breaks off; try again`,
  });
});

test.for<[string, string, string]>([
  ['hangs', 'exec sleep 30', 'gives nothing in time'],
  ['leaves something behind that hangs', 'sleep 3 & echo x.y.z', 'gives nothing in time'],
  ['is ended', 'kill -INT $$', 'ends with SIGINT'],
])('a token command that %s', async ([, command, says]) => {
  const started = Date.now();
  await expect(outputOfCommand(command, AbortSignal.timeout(300))).rejects.toMatchObject({
    exitCode: 1,
    message: `the token command ${says}`,
  });
  expect(Date.now() - started).toBeLessThan(5000);
});
