import { CertificateError, messageOf } from '../errors.ts';
import type { RepairMessages } from '../ports.ts';
import { toAccount } from './account.ts';
import type { GoogleAuth } from './google-auth.ts';

const PUBSUB_API = 'https://pubsub.googleapis.com';
const LIMIT_MS = 10_000;
// Known to whoever parses the messages, and to the filter of the subscription.
const REPAIR = 'CERTHERD_REPAIR';

export type RepairMessagesOptions = Readonly<{
  /** `projects/P/topics/T` */
  topic: string;
  auth: Pick<GoogleAuth, 'accessToken'> & Partial<Pick<GoogleAuth, 'client'>>;
  /** `http://127.0.0.1:1234`; default Google's own. */
  endpoint?: string | undefined;
}>;

/** https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish, one call and no library. */
export function createRepairMessages(options: RepairMessagesOptions): RepairMessages {
  return {
    publish: (certificate, { reason, targets }) =>
      publish(options, {
        attributes: { eventType: REPAIR, certificate, reason },
        data: Buffer.from(JSON.stringify({ targets })).toString('base64'),
      }),
  };
}

async function publish(
  { topic, auth, endpoint }: RepairMessagesOptions,
  message: object,
): Promise<void> {
  const token = await auth.accessToken().catch((error) => {
    throw unavailable(topic, messageOf(error), error);
  });
  const response = await fetch(`${endpoint ?? PUBSUB_API}/v1/${topic}:publish`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [message] }),
    redirect: 'error',
    signal: AbortSignal.timeout(LIMIT_MS),
  }).catch((error) => {
    throw unavailable(topic, messageOf(error.cause ?? error), error);
  });
  await response.body?.cancel();
  if (response.status === 403)
    throw new CertificateError(
      'not-permitted',
      `cannot publish to ${topic}: permission denied; grant pubsub.topics.publish on ${topic}${toAccount(auth.client)}`,
    );
  if (!response.ok) throw unavailable(topic, refusal(response.status));
}

function refusal(status: number): string {
  if (status === 404) return 'there is no such topic; create it, or correct runtime.topic';
  return `HTTP ${status}`;
}

const unavailable = (topic: string, problem: string, cause?: unknown) =>
  new CertificateError('queue-unavailable', `cannot publish to ${topic}: ${problem}`, { cause });
