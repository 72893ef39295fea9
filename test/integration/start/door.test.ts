import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Door, openDoor } from '../../../local/door.ts';

let door: Door;
beforeAll(async () => {
  door = await openDoor({
    api: (_, response) => response.end('page'),
    port: 0,
    identityToken: async () => 'a.b.c',
    audience: 'api',
  });
});
afterAll(() => door.close());

const enter = (link: string) => fetch(link, { redirect: 'manual' });

test('the link lets in once; a wrong one is not said to be used, and uses nothing up', async () => {
  const sentence =
    'The link is not right, or it was used already. The right one is printed where npm start runs; it is good once, and each start prints a new one.\n';
  const wrong = await enter(`${door.url}/login?code=bad`);
  expect([wrong.status, await wrong.text()]).toEqual([403, sentence]);

  expect((await enter(door.loginUrl)).status).toBe(303);
  const again = await enter(door.loginUrl);
  expect([again.status, await again.text()]).toEqual([403, sentence]);
});

test('a browser that is not logged in is told of the link; a program gets to the api', async () => {
  const open = async (accept: string) => {
    const response = await fetch(door.url, { headers: { accept } });
    return [response.status, await response.text()];
  };
  expect(await open('text/html,*/*;q=0.8')).toEqual([
    401,
    'Nobody is logged in here. Open the link that npm start printed ("Log in once with"); it is good for one browser.\n',
  ]);
  expect(await open('application/json')).toEqual([200, 'page']);
});
