import { Cron } from 'croner';
import { GoogleFault } from '../google-api.ts';

// unix-cron as Cloud Scheduler documents it: five fields, names of three letters, no L, W, # or ?.
const FIELD =
  /^(\*|\d+|[a-z]{3})(-(\d+|[a-z]{3}))?(\/\d+)?(,(\*|\d+|[a-z]{3})(-(\d+|[a-z]{3}))?(\/\d+)?)*$/i;

const invalid = () => new GoogleFault('INVALID_ARGUMENT', 'Schedule or time zone is invalid.');

/** Refuses what is no schedule of the unix-cron form, or would never come. */
export function checkSchedule(schedule: string, timeZone: string, now: Date): void {
  if (/^every\b/i.test(schedule))
    throw new GoogleFault(
      'UNIMPLEMENTED',
      'English-like schedules are not implemented by this stand-in',
    );
  const fields = schedule.trim().split(/\s+/);
  if (!fields.every((field) => FIELD.test(field)) || !isZone(timeZone)) throw invalid();
  if (!nextRun(schedule, timeZone, now)) throw invalid();
}

/** The first run after `after`. */
export function nextRun(schedule: string, timeZone: string, after: Date): Date | undefined {
  try {
    const cron = new Cron(schedule.trim(), { mode: '5-part', timezone: timeZone });
    return cron.nextRun(after) ?? undefined;
  } catch {
    throw invalid();
  }
}

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined;
  } catch {
    return false;
  }
}

/** A moment as RFC 3339 with the offset that the time zone has then, to the second. */
export function zonedTime(moment: Date, timeZone: string): string {
  const parts = new Intl.DateTimeFormat('en', {
    timeZone,
    timeZoneName: 'longOffset',
  }).formatToParts(moment);
  const offset = parts.find(({ type }) => type === 'timeZoneName')?.value.slice(3) ?? '';
  const [, sign, hours, minutes] = /^([+-])(\d\d):(\d\d)$/.exec(offset) ?? [];
  if (sign === undefined || offset === '+00:00') return `${moment.toISOString().slice(0, 19)}Z`;
  const shiftMs = (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -60_000 : 60_000);
  const local = new Date(moment.getTime() + shiftMs).toISOString().slice(0, 19);
  return `${local}${sign}${hours}:${minutes}`;
}
