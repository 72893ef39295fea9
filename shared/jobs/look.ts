import { type Standing, standing } from '../domain/delivery.ts';
import type { Target } from '../domain/record.ts';
import type { Rules } from '../domain/request.ts';
import type { SurveyPorts } from './survey.ts';
import { sight } from './survey.ts';

/** Secrets that a certificate is to go to. */
export type Look = Readonly<{ certificate: string; targets: readonly Target[] }>;

/** How each Secret stands, in the order asked for. Nothing is changed. */
export async function lookAt(
  { certificate, targets }: Look,
  ports: Pick<SurveyPorts, 'readers'>,
  { installation }: Rules,
): Promise<readonly Standing[]> {
  return Promise.all(
    targets.map(async (target) =>
      standing(await sight(target, ports), { id: certificate, issued: undefined }, installation),
    ),
  );
}
