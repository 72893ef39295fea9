import type { Clock } from '../clock.ts';
import { GoogleFault } from '../google-api.ts';
import type { Secret, SecretVersion } from './state.ts';

/** What Secret Manager gives to Pub/Sub. `data` is base64. */
type EventMessage = Readonly<{ data?: string; attributes?: Record<string, string> }>;

/** Hands a message to a topic, named in full; throws when there is no such topic. */
export type Publish = (topic: string, message: EventMessage) => void;

type VersionEvent =
  | 'SECRET_VERSION_ADD'
  | 'SECRET_VERSION_ENABLE'
  | 'SECRET_VERSION_DISABLE'
  | 'SECRET_VERSION_DESTROY';
type SecretEvent = 'SECRET_CREATE' | 'SECRET_UPDATE' | 'SECRET_DELETE';

/** Tells a secret's topics what happened (https://cloud.google.com/secret-manager/docs/event-notifications). No message holds a payload. */
export type Events = Readonly<{
  secret(type: SecretEvent, secret: Secret): void;
  version(type: VersionEvent, secret: Secret, version: SecretVersion): void;
  /** The test message that goes out before a secret gets topics. Throws FAILED_PRECONDITION when one cannot take it. */
  topicsConfigured(secret: Secret): void;
}>;

export function createEvents(clock: Clock, publish: Publish): Events {
  const message = (eventType: string, secret: Secret, extra: Readonly<Record<string, string>>) => ({
    attributes: {
      eventType,
      dataFormat: 'JSON_API_V1',
      secretId: secret.name,
      timestamp: clock.now().toISOString(),
      ...extra,
    },
  });
  const tell = (secret: Secret, told: EventMessage) => {
    for (const { name } of secret.topics ?? []) publishIfPossible(publish, name, told);
  };
  return {
    secret(type, secret) {
      const extra: Record<string, string> =
        type === 'SECRET_DELETE' ? { deleteType: 'REQUESTED' } : {};
      tell(secret, { ...message(type, secret, extra), data: json(secret) });
    },
    version(type, secret, version) {
      tell(secret, { ...message(type, secret, { versionId: version.name }), data: json(version) });
    },
    topicsConfigured(secret) {
      const told = { ...message('TOPIC_CONFIGURED', secret, {}), data: json(secret) };
      for (const { name } of secret.topics ?? []) publishOrRefuse(publish, name, told);
    },
  };
}

// The real service does not undo a change whose topic is gone by now; the event is lost there too.
function publishIfPossible(publish: Publish, topic: string, message: EventMessage): void {
  try {
    publish(topic, message);
  } catch (error) {
    if (!(error instanceof GoogleFault)) throw error;
  }
}

function publishOrRefuse(publish: Publish, topic: string, message: EventMessage): void {
  try {
    publish(topic, message);
  } catch (error) {
    if (!(error instanceof GoogleFault)) throw error;
    throw new GoogleFault(
      'FAILED_PRECONDITION',
      `The Pub/Sub topic [${topic}] cannot be published to: ${error.message}`,
    );
  }
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64');
