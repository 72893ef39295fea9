import { GoogleFault } from '../google-api.ts';
import {
  duration,
  type Fields,
  parseDuration,
  parseFields,
  parseInteger,
  parseNumber,
} from '../wire/json.ts';

export type RateLimits = Readonly<{
  maxDispatchesPerSecond: number;
  maxBurstSize: number;
  maxConcurrentDispatches: number;
}>;

export type RetryConfig = Readonly<{
  /** -1 is without limit. */
  maxAttempts: number;
  /** Zero is without limit. */
  maxRetryDurationMs: number;
  minBackoffMs: number;
  maxBackoffMs: number;
  maxDoublings: number;
}>;

export type Queue = Readonly<{
  name: string;
  state: 'RUNNING' | 'PAUSED';
  rateLimits: RateLimits;
  retryConfig: RetryConfig;
  samplingRatio?: number;
  purgeTime?: string;
}>;

const DEFAULT_RETRY: RetryConfig = {
  maxAttempts: 100,
  maxRetryDurationMs: 0,
  minBackoffMs: 100,
  maxBackoffMs: 3_600_000,
  maxDoublings: 16,
};
const DEFAULT_RATE = 500;
const DEFAULT_CONCURRENCY = 1000;

const SETTINGS = ['rateLimits', 'retryConfig', 'stackdriverLoggingConfig'] as const;
const REFUSED = ['httpTarget', 'appEngineRoutingOverride'];
// Sent back by clients that edit what they read; the service ignores what it alone may set.
const OUTPUT_ONLY = ['name', 'state', 'purgeTime'];
const RATE_FIELDS = ['maxDispatchesPerSecond', 'maxBurstSize', 'maxConcurrentDispatches'];
const RETRY_FIELDS = [
  'maxAttempts',
  'maxRetryDuration',
  'minBackoff',
  'maxBackoff',
  'maxDoublings',
];

export function parseQueueFields(body: unknown): Fields {
  const fields = parseFields(body, 'queue', [...SETTINGS, ...REFUSED, ...OUTPUT_ONLY]);
  for (const name of REFUSED)
    if (fields[name] !== undefined)
      throw new GoogleFault('UNIMPLEMENTED', `queue.${name} is not implemented by this stand-in`);
  return fields;
}

/** A queue from its settings; what is left out gets the default that the service picks. */
export function newQueue(name: string, fields: Fields): Queue {
  const samplingRatio = parseSampling(fields.stackdriverLoggingConfig);
  return {
    name,
    state: 'RUNNING',
    rateLimits: parseRateLimits(fields.rateLimits),
    retryConfig: parseRetryConfig(fields.retryConfig, 'queue.retry_config', DEFAULT_RETRY),
    ...(samplingRatio !== undefined && { samplingRatio }),
  };
}

/** The queue with the fields of `mask` (all settings without one) taken from `fields`. */
export function patchedQueue(
  old: Queue,
  fields: Fields,
  mask: readonly string[] | undefined,
): Queue {
  const merged: Record<string, unknown> = { ...settingsOf(old) };
  for (const path of mask ?? SETTINGS) {
    const [setting = '', member, ...deeper] = path.split('.');
    if (!SETTINGS.some((known) => known === setting) || deeper.length > 0)
      throw invalid(`Invalid update mask: the field "${path}" cannot be updated.`);
    const given = fields[setting];
    if (member === undefined) merged[setting] = given;
    else merged[setting] = { ...Object(merged[setting]), [member]: Object(given)[member] };
  }
  const { name, state, purgeTime } = old;
  return { ...newQueue(name, merged), state, ...(purgeTime && { purgeTime }) };
}

const invalid = (message: string) => new GoogleFault('INVALID_ARGUMENT', message);

function parseRateLimits(value: unknown): RateLimits {
  const at = 'queue.rate_limits';
  const fields = parseFields(value, at, RATE_FIELDS);
  const rate = parseNumber(fields.maxDispatchesPerSecond, at) || DEFAULT_RATE;
  const concurrency = parseInteger(fields.maxConcurrentDispatches, at) || DEFAULT_CONCURRENCY;
  if (rate <= 0 || rate > 500)
    throw invalid('RateLimits.maxDispatchesPerSecond must be greater than 0 and at most 500.');
  if (concurrency < 1 || concurrency > 5000)
    throw invalid('RateLimits.maxConcurrentDispatches must be between 1 and 5000.');
  return {
    maxDispatchesPerSecond: rate,
    maxBurstSize: Math.min(100, Math.max(10, Math.ceil(rate))),
    maxConcurrentDispatches: concurrency,
  };
}

/** A retry configuration of a queue, or of one task over its queue's as `fallback`. */
export function parseRetryConfig(value: unknown, at: string, fallback: RetryConfig): RetryConfig {
  const fields = parseFields(value, at, RETRY_FIELDS);
  const config = {
    maxAttempts: parseInteger(fields.maxAttempts, at) || fallback.maxAttempts,
    maxRetryDurationMs: parseDuration(fields.maxRetryDuration, at) ?? fallback.maxRetryDurationMs,
    minBackoffMs: parseDuration(fields.minBackoff, at) ?? fallback.minBackoffMs,
    maxBackoffMs: parseDuration(fields.maxBackoff, at) ?? fallback.maxBackoffMs,
    maxDoublings: parseInteger(fields.maxDoublings, at) ?? fallback.maxDoublings,
  };
  if (config.maxAttempts < -1) throw invalid('RetryConfig.maxAttempts must be at least -1.');
  if (config.minBackoffMs < 0 || config.maxRetryDurationMs < 0 || config.maxDoublings < 0)
    throw invalid('RetryConfig must not hold negative values.');
  if (config.minBackoffMs > config.maxBackoffMs)
    throw invalid('RetryConfig.minBackoff must not be greater than RetryConfig.maxBackoff.');
  return config;
}

function parseSampling(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  const at = 'queue.stackdriver_logging_config';
  const ratio = parseNumber(parseFields(value, at, ['samplingRatio']).samplingRatio, at) ?? 0;
  if (ratio < 0 || ratio > 1) throw invalid('samplingRatio must be between 0.0 and 1.0.');
  return ratio;
}

function settingsOf({ rateLimits, retryConfig, samplingRatio }: Queue): Fields {
  return {
    rateLimits,
    retryConfig: retryConfigView(retryConfig),
    ...(samplingRatio !== undefined && { stackdriverLoggingConfig: { samplingRatio } }),
  };
}

export function retryConfigView(config: RetryConfig) {
  return {
    maxAttempts: config.maxAttempts,
    minBackoff: duration(config.minBackoffMs),
    maxBackoff: duration(config.maxBackoffMs),
    maxDoublings: config.maxDoublings,
    ...(config.maxRetryDurationMs > 0 && { maxRetryDuration: duration(config.maxRetryDurationMs) }),
  };
}

/** The queue as the API answers it. */
export const queueView = (queue: Queue) => ({
  name: queue.name,
  ...settingsOf(queue),
  state: queue.state,
  ...(queue.purgeTime && { purgeTime: queue.purgeTime }),
});
