import { z } from 'zod';
import type { Config } from '../../shared/config.ts';
import { jsonOf } from '../documents.ts';
import { CliFault } from '../fault.ts';
import { replyOf } from '../reply.ts';
import { outputOfCommand } from '../token.ts';
import { type Finding, fault, note, ok } from './finding.ts';

/** How to ask the Organization Policy API in the person's own name. */
export type PolicyAccess = Readonly<{ url: string; accessTokenCommand: string }>;

const CHECK = 'replication';

const values = z.array(z.string()).default([]);
// https://cloud.google.com/resource-manager/docs/reference/orgpolicy/rest/v2/organizations.policies
const policySchema = z.object({
  spec: z
    .object({
      rules: z
        .array(
          z.object({
            condition: z.unknown().optional(),
            allowAll: z.boolean().optional(),
            denyAll: z.boolean().optional(),
            values: z.object({ allowedValues: values, deniedValues: values }).optional(),
          }),
        )
        .default([]),
    })
    .optional(),
});
export type LocationPolicy = z.output<typeof policySchema>;

/** Whether secrets may replicate automatically, which they may only where `global` is allowed (cloud.google.com/secret-manager/docs/choosing-replication). */
export async function replicationFinding(
  config: Config,
  { url, accessTokenCommand }: PolicyAccess,
): Promise<Finding> {
  if (config.endpoints.secretManager)
    return note(
      CHECK,
      'not checked: this Secret Manager stands in for the real one and knows no organisation',
    );
  try {
    const token = (await outputOfCommand(accessTokenCommand)).trim();
    const path = `/v2/projects/${config.project}/policies/gcp.resourceLocations:getEffectivePolicy`;
    const { status, text } = await replyOf(url, path, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (status !== 200) return unreadable(config, `HTTP ${status}`);
    const policy = policySchema.safeParse(jsonOf(text));
    return policy.success ? judged(policy.data, config) : unreadable(config, 'it is no policy');
  } catch (error) {
    if (error instanceof CliFault) return unreadable(config, error.message);
    throw error;
  }
}

const describe = ({ project }: Config) =>
  `gcloud org-policies describe gcp.resourceLocations --effective --project=${project}`;

const unreadable = (config: Config, why: string) =>
  note(
    CHECK,
    `not checked: the location policy cannot be read (${why}); it takes orgpolicy.policy.get`,
    describe(config),
  );

const GLOBAL = ['global', 'is:global'];

/** What an effective policy means for the secrets. */
export function judged({ spec }: LocationPolicy, config: Config): Finding {
  const rules = spec?.rules ?? [];
  if (config.replicas.length > 0)
    return note(
      CHECK,
      `not checked: whether the location policy allows ${config.replicas.map(({ location }) => location).join(' and ')}; see it by`,
      describe(config),
    );
  if (rules.some(({ condition }) => condition !== undefined))
    return note(
      CHECK,
      'not checked: the location policy has conditions; see it by',
      describe(config),
    );
  const named = rules.flatMap((rule) => rule.values ?? []);
  const isDenied =
    rules.some(({ denyAll }) => denyAll) ||
    named.some(({ deniedValues }) => deniedValues.some((value) => GLOBAL.includes(value)));
  const allowed = named.flatMap(({ allowedValues }) => allowedValues);
  const isAllowed = allowed.length === 0 || allowed.some((value) => GLOBAL.includes(value));
  if (isAllowed && !isDenied)
    return ok(CHECK, 'the location policy lets secrets replicate automatically');
  return fault(
    CHECK,
    `the location policy of the organisation does not allow "global", so no secret with automatic replication can be made in ${config.project}`,
    {
      advice: `set secret_locations = ["${config.location}"] in the block module "certherd" of the deployment, then apply it`,
    },
  );
}
