import type { HttpFunction } from '@google-cloud/functions-framework';
import { z } from 'zod';
import { sync } from '../shared/jobs/sync.ts';
import type { SyncDependencies } from './dependencies.ts';
import { bodyOf, entry } from './entry.ts';
import { parseSyncMessage } from './sync-message.ts';

// https://cloud.google.com/pubsub/docs/push#receive_push
const pushSchema = z.object({
  message: z.object({
    attributes: z.record(z.string(), z.string()).optional(),
    data: z.string().optional(),
  }),
});

/** Woken by Pub/Sub, with an event of Secret Manager or a repair of ours; whatever else is on the topic is acknowledged. */
export function syncFunction({ log, project, ports, settings }: SyncDependencies): HttpFunction {
  return entry({
    log,
    project,
    async handle(request) {
      const push = pushSchema.safeParse(bodyOf(request));
      const message = push.success
        ? parseSyncMessage(push.data.message, settings.rules.installation)
        : undefined;
      if (!message) return { status: 200, body: { state: 'ignored' } };
      const outcome = await sync(message, await ports(), settings);
      log.info(`certificate ${outcome.state}`, outcome);
      return { status: 200, body: outcome };
    },
  });
}
