import { targetKey } from './grouping.ts';
import type { Asker, Delivery, Target } from './record.ts';

/** What is known of a certificate's way into its Secrets. `targets` were named by hand; `askers` have at least one Secret each. */
export type Delivering = Readonly<{
  version: number | null;
  delivered: Pick<Delivery, 'version' | 'failed'> | null;
  targets: readonly Target[];
  askers: readonly Asker[];
}>;

type DeliveryState =
  | 'nothing to deliver'
  | 'stored only'
  | 'not yet delivered'
  | 'delivered'
  | 'in part'
  | 'not delivered';

/**
 * How the newest version stands, in the words that people read. It is "not delivered" when a Secret refused it wherever it was to go; how many
 * Secrets a namespace has is not recorded, so one that refused it speaks for its namespace. A record has five refusals at most, so of more
 * places it is said that they got it in part.
 */
export function deliveryState({ version, delivered, targets, askers }: Delivering): DeliveryState {
  if (version === null) return 'nothing to deliver';
  const places = [...targets.map((target) => `${targetKey(target)} `), ...askers.map(placeOf)];
  if (places.length === 0) return 'stored only';
  if (delivered?.version !== version) return 'not yet delivered';
  const { failed } = delivered;
  if (failed.length === 0) return 'delivered';
  const isRefused = (place: string) => failed.some((text) => text.startsWith(`Secret ${place}`));
  return places.every(isRefused) ? 'not delivered' : 'in part';
}

// A record with too many namespaces names the cluster alone.
const placeOf = ({ cluster, namespace }: Asker) =>
  namespace === '*' ? `${cluster}/` : `${cluster}/${namespace}/`;
