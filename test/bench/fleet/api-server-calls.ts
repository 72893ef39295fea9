import { Agent, fetch } from 'undici';
import type { RunningApiServer } from '../../real/parts/kube-apiserver.ts';

/** Requests that the API server has answered, by what it counts itself: `LIST ingresses` and so on. */
export async function apiServerCalls({
  server,
  ca,
  token,
}: RunningApiServer): Promise<Readonly<Record<string, number>>> {
  const dispatcher = new Agent({ connect: { ca } });
  try {
    const response = await fetch(`${server}/metrics`, {
      dispatcher,
      headers: { authorization: `Bearer ${token}` },
    });
    const calls: Record<string, number> = {};
    for (const [, labels = '', count] of (await response.text()).matchAll(REQUEST_TOTAL)) {
      const kind = `${label(labels, 'verb')} ${label(labels, 'resource')}`;
      calls[kind] = (calls[kind] ?? 0) + Number(count);
    }
    return calls;
  } finally {
    await dispatcher.close();
  }
}

const REQUEST_TOTAL = /^apiserver_request_total\{(.*)\} (\S+)$/gm;

const label = (labels: string, name: string) =>
  new RegExp(`(?:^|,)${name}="([^"]*)"`).exec(labels)?.[1] ?? '';
