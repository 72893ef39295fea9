import type { PlanEntry } from '../shared/domain/plan.ts';
import type { Survey } from '../shared/jobs/survey.ts';

/** A plan as the outside reads it. */
export type PlanView = Readonly<{
  certificates: readonly CertificatePlan[];
  refused: Survey['refusals'];
  faults: Survey['faults'];
}>;

export type CertificatePlan = Readonly<{
  id: string;
  names: readonly string[];
  issuer: string;
  action: PlanEntry['action'];
  reason: string;
  message: string;
  at: Date | undefined;
  targets: readonly Readonly<{
    cluster: string;
    namespace: string;
    secret: string;
    state: string;
    message: string | undefined;
  }>[];
}>;

export const planView = ({ plan, refusals, faults }: Survey): PlanView => ({
  certificates: plan.map(({ id, names, issuer, action, reason, message, at, targets }) => ({
    id,
    names,
    issuer,
    action,
    reason,
    message,
    at,
    targets: targets.map(({ target, standing }) => ({
      ...target,
      state: 'reason' in standing ? standing.reason : standing.state,
      message: 'message' in standing ? standing.message : undefined,
    })),
  })),
  refused: refusals,
  faults,
});
