import { z } from 'zod';
import type { CertificateIdentity } from '../../shared/domain/certificate.ts';
import { targetKey } from '../../shared/domain/grouping.ts';
import { nameSet, parseName } from '../../shared/domain/names.ts';
import type { Target } from '../../shared/domain/record.ts';
import type { Rules } from '../../shared/domain/request.ts';
import { MOST_MANUAL_TARGETS } from '../../shared/jobs/manual.ts';

/** What a POST of /v1/certificates asks for, in its normal form. */
export type CertificateRequest = Readonly<{
  identity: CertificateIdentity;
  targets: readonly Target[];
}>;

const MOST_NAMES = 100;
// Longer than every name; what is longer still is not repeated in an answer.
const LONGEST_TEXT = 300;

// What is pasted into the wrong place must not come back in an answer, nor stand in the log: a key in PEM is shorter than that.
const text = (form: string) =>
  z
    .string(form)
    .max(LONGEST_TEXT, { abort: true, error: 'is longer than any name' })
    .refine((value) => !value.includes('-----BEGIN'), {
      abort: true,
      error: 'is a key or a certificate, and no name',
    });

const dnsName = text('give a DNS name').transform((text, context) => {
  const parsed = parseName(text);
  if ('name' in parsed) return parsed.name;
  context.addIssue({ code: 'custom', message: `"${text}" ${parsed.problem}` });
  return z.NEVER;
});

const names = z
  .array(dnsName, 'give a list of DNS names')
  .min(1, 'give at least one name')
  .transform(nameSet)
  .refine((set) => set.length <= MOST_NAMES, `a certificate holds at most ${MOST_NAMES} names`);

const FORM = 'give "CLUSTER/NAMESPACE/SECRET" or an object of cluster, namespace and secret';
const part = (pattern: RegExp, allowed: string) =>
  text(FORM).regex(pattern, { error: ({ input }) => `"${input}" may have ${allowed} only` });
const label = part(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'lower-case letters, digits and "-"');
const secret = part(
  /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
  'lower-case letters, digits, "-" and "."',
);
const targetParts = z.strictObject({ cluster: label, namespace: label, secret }, FORM);

const target = z.unknown().transform((value, context): Target => {
  const parsed = targetParts.safeParse(typeof value === 'string' ? partsOf(value) : value);
  if (parsed.success) return parsed.data;
  for (const message of new Set(parsed.error.issues.map((issue) => issue.message)))
    context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

function partsOf(text: string): unknown {
  const [cluster, namespace, name, ...rest] = text.split('/');
  return rest.length > 0 ? undefined : { cluster, namespace, secret: name };
}

const targets = z
  .array(target, 'give a list of Secrets')
  .transform((all) => [...new Map(all.map((one) => [targetKey(one), one])).values()])
  .refine(
    (all) => all.length <= MOST_MANUAL_TARGETS,
    `a certificate goes to at most ${MOST_MANUAL_TARGETS} Secrets by hand`,
  )
  .default([]);

/** The form of the body, with the issuers and clusters there are. */
export function certificateRequest({
  issuers,
  defaultIssuer,
}: Rules): z.ZodType<CertificateRequest> {
  const issuer = z
    .string('give the name of an issuer')
    .refine(
      (name) => Object.hasOwn(issuers, name),
      `there is no such issuer; the configuration has ${Object.keys(issuers).join(', ')}`,
    )
    .default(defaultIssuer);
  return z.strictObject({ names, issuer, targets }, { error: formFault }).transform((asked) => ({
    identity: {
      names: asked.names,
      issuer: asked.issuer,
      // Checked above; the default was checked with the configuration.
      keyType: (issuers[asked.issuer] as Rules['issuers'][string]).keyType,
    },
    targets: asked.targets,
  }));
}

const formFault = ({ code }: Readonly<{ code?: string | undefined }>) =>
  code === 'invalid_type' ? 'give a JSON object with names' : undefined;
