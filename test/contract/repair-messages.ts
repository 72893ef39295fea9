import { expect, test } from 'vitest';
import { type PushedMessage, parseSyncMessage } from '../../functions/sync-message.ts';
import type { RepairMessages } from '../../shared/ports.ts';

export type HeardRepairs = Readonly<{
  repairs: RepairMessages;
  /** The next message that reaches sync. */
  next(): Promise<PushedMessage>;
}>;

/** What RepairMessages promises: sync hears what was published. */
export function repairMessagesContract(create: () => HeardRepairs): void {
  const targets = [
    { cluster: 'prod', namespace: 'web', secret: 'tls' },
    { cluster: 'ovh', namespace: 'ovh', secret: 'tls-crt' },
  ];

  test.for<[string, typeof targets]>([
    ['without targets', []],
    ['with targets', targets],
  ])('a repair %s is heard by sync', async ([, asked]) => {
    const { repairs, next } = create();
    await repairs.publish('a-test-0123', { reason: 'secret-missing', targets: asked });
    expect(parseSyncMessage(await next(), 'herd')).toEqual({
      certificate: 'a-test-0123',
      reason: 'secret-missing',
      targets: asked,
    });
  });
}
