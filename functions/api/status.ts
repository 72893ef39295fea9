import type { StoredRecord } from '../../shared/domain/record.ts';
import { CertificateError, messageOf } from '../../shared/errors.ts';
import type { QueueStatus } from '../../shared/ports.ts';
import type { ApiPorts } from '../dependencies.ts';

/** A part of the status, or the sentence why it cannot be read now. */
type Part<T> = T | Readonly<{ error: string }>;

/** Records that another program or a person left in a form that is not ours. */
export type InvalidRecord = Readonly<{ id: string; problem: string }>;

/** Everything that the status and its page are made from, read at once. */
export type Readings = Readonly<{
  schedule: Part<Awaited<ReturnType<ApiPorts['schedule']['state']>>>;
  queues: Part<readonly QueueStatus[]>;
  inventory: Part<
    Readonly<{ records: readonly StoredRecord[]; invalid: readonly InvalidRecord[] }>
  >;
  now: Date;
}>;

const PATIENCE_MS = 5_000;

/** Reads every part on its own until `limit`: one that is away neither hides the others nor holds them up. */
export async function readings(
  ports: Pick<ApiPorts, 'schedule' | 'queueStates' | 'records' | 'time'>,
  limit: AbortSignal = AbortSignal.timeout(PATIENCE_MS),
): Promise<Readings> {
  const invalid: InvalidRecord[] = [];
  const [schedule, queues, inventory] = await Promise.all([
    part(() => ports.schedule.state(), limit),
    part(() => ports.queueStates(), limit),
    part(
      async () => ({
        records: await ports.records.list((id, problem) => invalid.push({ id, problem })),
        invalid,
      }),
      limit,
    ),
  ]);
  return { schedule, queues, inventory, now: ports.time.now() };
}

async function part<T>(read: () => Promise<T>, limit: AbortSignal): Promise<Part<T>> {
  try {
    return await Promise.race([read(), ended(limit)]);
  } catch (error) {
    // What another error says is nobody's outside.
    return { error: error instanceof CertificateError ? messageOf(error) : 'cannot be read now' };
  }
}

const ended = (limit: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const end = () =>
      reject(new CertificateError('unfinished', 'gives no answer in time; look again in a minute'));
    if (limit.aborted) end();
    limit.addEventListener('abort', end, { once: true });
  });

const WEEK_MS = 7 * 86_400_000;

/** GET /v1/status. `next` is the certificate that ends first. */
export function statusDocument({ schedule, queues, inventory, now }: Readings) {
  if ('error' in inventory) return { schedule, queues, certificates: inventory, next: inventory };
  const { records, invalid } = inventory;
  const issued = records.flatMap(({ id, record }) =>
    record.issued ? [{ id, notAfter: record.issued.notAfter }] : [],
  );
  const endsBefore = (moment: number) =>
    issued.filter(({ notAfter }) => notAfter.getTime() < moment).length;
  return {
    schedule,
    queues,
    certificates: {
      total: records.length,
      issued: issued.length,
      failed: records.filter(({ record }) => record.failure).length,
      expired: endsBefore(now.getTime()),
      expiringWithin7Days: endsBefore(now.getTime() + WEEK_MS) - endsBefore(now.getTime()),
      invalid,
    },
    next: issued.toSorted((a, b) => a.notAfter.getTime() - b.notAfter.getTime())[0] ?? null,
  };
}
