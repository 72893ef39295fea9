import { setTimeout as delay } from 'node:timers/promises';
import { ApiFault, type ClusterApi, sentenceOf } from './cluster-api.ts';
import type { FrontLog } from './front-server.ts';

type Resource = Readonly<{
  metadata: Readonly<{ namespace: string; name: string; resourceVersion?: string }>;
}>;

/** A list of the API kept up to date by a watch. */
export type WatchedCollection<Item> = Readonly<{
  /** The items as last seen, undefined until the first list was read. */
  items(): readonly Item[] | undefined;
  /** Reads the list anew and resolves when `items` shows it; the watch then goes on from there. */
  refresh(): Promise<void>;
  close(): Promise<void>;
}>;

/** `path` is the collection for all namespaces; `fieldSelector` is dropped when the server does not know it. */
export type WatchOptions<Item> = Readonly<{
  api: ClusterApi;
  path: string;
  fieldSelector?: string;
  accepts: (item: Item) => boolean;
  onChange: () => void;
  log: FrontLog;
}>;

type List<Item> = Readonly<{
  metadata: Readonly<{ resourceVersion: string; continue?: string }>;
  items: readonly Item[];
}>;

type ChangeEvent<Item> = Readonly<{
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: Item;
}>;

type WatchEvent<Item> =
  | ChangeEvent<Item>
  | Readonly<{ type: 'ERROR'; object: Readonly<{ code: number; message: string }> }>;

const PAGE = 500;
const WATCH_SECONDS = 300;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 5_000;
const SHORT_LIFE_MS = 1_000;

type Watching<Item> = {
  readonly options: WatchOptions<Item>;
  readonly ending: AbortController;
  items: Map<string, Item> | undefined;
  selector: string | undefined;
  /** Those who wait for a list that is read after they asked. */
  waiting: PromiseWithResolvers<void>[];
  /** Ends the present watch or pause, because somebody waits for a list. */
  interrupt: AbortController;
  failures: number;
};

/**
 * Lists, watches, and watches on from the last version when the server ends a watch; lists again
 * after a 410 or a broken stream (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
 */
export function watchCollection<Item extends Resource>(
  options: WatchOptions<Item>,
): WatchedCollection<Item> {
  const watching: Watching<Item> = {
    options,
    ending: new AbortController(),
    items: undefined,
    selector: options.fieldSelector,
    waiting: [],
    interrupt: new AbortController(),
    failures: 0,
  };
  const finished = keepUp(watching);
  return {
    items: () => watching.items && [...watching.items.values()],
    refresh() {
      const waiter = Promise.withResolvers<void>();
      if (watching.ending.signal.aborted) waiter.reject(new Error('the front is closed'));
      watching.waiting.push(waiter);
      watching.interrupt.abort();
      return waiter.promise;
    },
    async close() {
      watching.ending.abort();
      await finished;
    },
  };
}

async function keepUp<Item extends Resource>(watching: Watching<Item>): Promise<void> {
  const { ending, options } = watching;
  while (!ending.signal.aborted) {
    try {
      await watchFrom(watching, await listAnew(watching));
    } catch (error) {
      if (ending.signal.aborted) break;
      if (watching.interrupt.signal.aborted && watching.waiting.length > 0) continue;
      options.log({
        message: 'front lost sight of its cluster and lists again',
        path: options.path,
        reason: sentenceOf(error),
      });
      await pause(watching);
    }
  }
  for (const { reject } of watching.waiting) reject(new Error('the front is closed'));
}

/** Puts the whole list in place and returns its version. */
async function listAnew<Item extends Resource>(watching: Watching<Item>): Promise<string> {
  const { options } = watching;
  const served = watching.waiting;
  watching.waiting = [];
  watching.interrupt = new AbortController();
  try {
    const { items, version } = await wholeList(watching);
    watching.items = new Map(items.filter(options.accepts).map((item) => [keyOf(item), item]));
    options.onChange();
    for (const { resolve } of served) resolve();
    return version;
  } catch (error) {
    watching.waiting.push(...served);
    throw error;
  }
}

async function wholeList<Item>(watching: Watching<Item>) {
  const items: Item[] = [];
  let next: string | undefined;
  for (;;) {
    const page = await readPage(watching, next);
    items.push(...page.items);
    next = page.metadata.continue;
    if (!next) return { items, version: page.metadata.resourceVersion };
  }
}

async function readPage<Item>(watching: Watching<Item>, next = ''): Promise<List<Item>> {
  const { options, selector, ending } = watching;
  const query = queryOf(selector, { limit: String(PAGE), ...(next ? { continue: next } : {}) });
  try {
    return (await options.api.read(`${options.path}?${query}`, ending.signal)) as List<Item>;
  } catch (error) {
    if (!selector || !isRefusedSelector(error)) throw error;
    watching.selector = undefined;
    return readPage(watching, next);
  }
}

const isRefusedSelector = (error: unknown) =>
  error instanceof ApiFault && [400, 422, 501].includes(error.status);

/** Follows the changes until the stream fails or somebody waits for a list. */
async function watchFrom<Item extends Resource>(
  watching: Watching<Item>,
  version: string,
): Promise<void> {
  let seen = version;
  while (watching.waiting.length === 0 && !watching.ending.signal.aborted) {
    const startedAt = Date.now();
    for await (const event of events(watching, seen)) {
      seen = event.object.metadata.resourceVersion ?? seen;
      take(watching, event);
    }
    if (Date.now() - startedAt > SHORT_LIFE_MS) watching.failures = 0;
    else await pause(watching);
  }
}

async function* events<Item>(watching: Watching<Item>, version: string) {
  const { options, selector, interrupt, ending } = watching;
  const query = queryOf(selector, {
    watch: '1',
    allowWatchBookmarks: 'true',
    resourceVersion: version,
    timeoutSeconds: String(WATCH_SECONDS),
  });
  const signal = AbortSignal.any([interrupt.signal, ending.signal]);
  for await (const line of options.api.lines(`${options.path}?${query}`, signal)) {
    const event = line as WatchEvent<Item>;
    if (event.type === 'ERROR') throw new ApiFault(event.object.code, event.object.message);
    yield event;
  }
}

function take<Item extends Resource>(
  watching: Watching<Item>,
  { type, object }: ChangeEvent<Item>,
): void {
  const { items, options } = watching;
  watching.failures = 0;
  if (type === 'BOOKMARK') return;
  if (type === 'DELETED' || !options.accepts(object)) items?.delete(keyOf(object));
  else items?.set(keyOf(object), object);
  options.onChange();
}

/** Waits longer after each failure in a row; a wish for a list or the end cuts it short. */
async function pause<Item>(watching: Watching<Item>): Promise<void> {
  const ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** watching.failures);
  watching.failures += 1;
  const signal = AbortSignal.any([watching.interrupt.signal, watching.ending.signal]);
  await delay(ms, undefined, { signal }).catch(() => {});
}

const keyOf = ({ metadata }: Resource) => `${metadata.namespace}/${metadata.name}`;

const queryOf = (selector: string | undefined, query: Readonly<Record<string, string>>) =>
  new URLSearchParams({ ...query, ...(selector ? { fieldSelector: selector } : {}) });
