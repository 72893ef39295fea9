import type { Clock } from '../clock.ts';
import type { Delivery, PushConfig, Subscription } from './state.ts';

/** The signed identity of a service account, for one audience. */
export type IdentityToken = (email: string, audience: string) => Promise<string>;

// 102 acknowledges too, but an HTTP client takes it for an interim reply and never shows it.
const ACKNOWLEDGED = new Set([200, 201, 202, 204]);

export type Pushing = Readonly<{
  clock: Clock;
  identityToken: IdentityToken;
  signal: AbortSignal;
}>;

/**
 * POSTs a message to the subscription's endpoint (https://cloud.google.com/pubsub/docs/push) and tells whether it was
 * acknowledged within the deadline. Only loopback is ever called.
 */
export async function push(
  delivery: Delivery,
  subscription: Subscription & Readonly<{ pushConfig: PushConfig }>,
  { clock, identityToken, signal }: Pushing,
): Promise<boolean> {
  const { pushEndpoint, oidcToken } = subscription.pushConfig;
  if (!isLoopback(pushEndpoint)) return false;
  const late = new AbortController();
  const deadline = new Date(clock.now().getTime() + subscription.ackDeadlineSeconds * 1000);
  const disarm = clock.at(deadline, () => late.abort());
  try {
    const authorization = oidcToken && {
      authorization: `Bearer ${await identityToken(oidcToken.serviceAccountEmail, oidcToken.audience ?? pushEndpoint)}`,
    };
    const response = await fetch(pushEndpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'CloudPubSub-Google',
        ...authorization,
      },
      body: JSON.stringify(wrapped(delivery, subscription)),
      redirect: 'manual',
      signal: AbortSignal.any([signal, late.signal]),
    });
    await response.body?.cancel();
    return ACKNOWLEDGED.has(response.status);
  } catch {
    // Whatever the reason, the message was not acknowledged, and that is all Pub/Sub knows.
    return false;
  } finally {
    disarm();
  }
}

// Each field comes under both of its names, as push subscribers are used to.
function wrapped({ message, failedAttempts }: Delivery, subscription: Subscription) {
  const { data, attributes, messageId, publishTime } = message;
  return {
    message: {
      ...(attributes && { attributes }),
      ...(data && { data }),
      messageId,
      message_id: messageId,
      publishTime,
      publish_time: publishTime,
    },
    subscription: subscription.name,
    ...(subscription.deadLetterPolicy && { deliveryAttempt: failedAttempts + 1 }),
  };
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
