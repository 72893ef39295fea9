import { type Html, html } from './html.ts';

/** A moment to the minute, in UTC. */
export const moment = (date: Date): Html =>
  html`<time datetime="${date.toISOString()}">${date.toISOString().slice(0, 16).replace('T', ' ')} UTC</time>`;

/** A day, in UTC. */
export const day = (date: Date): Html =>
  html`<time datetime="${date.toISOString()}">${date.toISOString().slice(0, 10)}</time>`;

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** How far away the end is, in words: in days, on the last two in hours. */
export function untilEnd(end: Date, now: Date): string {
  const ms = end.getTime() - now.getTime();
  if (ms <= 0) return 'expired';
  return ms < 2 * DAY_MS
    ? `in ${counted(Math.floor(ms / HOUR_MS), 'hour')}`
    : `in ${counted(Math.floor(ms / DAY_MS), 'day')}`;
}

const counted = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'}`;
