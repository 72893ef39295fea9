import { z } from 'zod';
import { crossFaults } from './config-cross-faults.ts';
import { parseName } from './domain/names.ts';
import type { Rules } from './domain/request.ts';
import { CertificateError } from './errors.ts';

/** A DNS name in any spelling; what is read is its normal form. */
const dnsName = z.string().transform((text, context) => {
  const parsed = parseName(text);
  if ('name' in parsed) return parsed.name;
  context.addIssue({ code: 'custom', message: `"${text}" ${parsed.problem}` });
  return z.NEVER;
});

const plainName = dnsName.refine((name) => !name.startsWith('*.'), 'give the name without "*."');

/** As `dnsName`, but it may be a single label, "test" or "internal", and is no wildcard. */
const suffix = z.string().transform((text, context) => {
  const below = parseName(`below.${text}`);
  if ('name' in below) return below.name.slice('below.'.length);
  context.addIssue({ code: 'custom', message: 'give a DNS suffix such as "example.org"' });
  return z.NEVER;
});

const label = (what: string) =>
  z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
      `give ${what} in lower-case letters, digits and "-"`,
    );

const secretName = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
    'give the name of a Kubernetes Secret (RFC 1123)',
  );

const member = z
  .string()
  .regex(
    /^(user|serviceAccount):[^@\s:]+@[^@\s:]+$/,
    'give "user:EMAIL" or "serviceAccount:EMAIL"',
  );

const httpsUrl = z.url({ protocol: /^https$/, error: 'give an https:// URL' });
const anyUrl = z.url({ protocol: /^https?$/, error: 'give an http:// or https:// URL' });

const issuer = z.strictObject({
  directory: httpsUrl.describe('The ACME directory (RFC 8555 section 7.1.1).'),
  contact: z.email({ error: 'give an e-mail address' }).optional(),
  keyType: z
    .enum(['ec-p256', 'rsa-2048'], { error: 'give "ec-p256" or "rsa-2048"' })
    .default('ec-p256'),
  caCertificate: z
    .string()
    .includes('-----BEGIN CERTIFICATE-----', { error: 'give the PEM text of a certificate' })
    .optional()
    .describe("The root of the directory's own TLS certificate, when it is a private one."),
});

const region = z.string().regex(/^[a-z]+-[a-z]+[0-9]+$/, 'give a region such as "europe-west1"');

// https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/#syntax-and-character-set
const annotation = z
  .string()
  .regex(
    /^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/,
    'give the key of a Kubernetes annotation, such as "kubernetes.io/tls-acme"',
  );

const allowRule = z.strictObject({
  namespaces: z
    .array(z.union([z.literal('*'), label('a namespace')], { error: 'give a namespace or "*"' }))
    .min(1, 'name at least one namespace, or "*"'),
  names: z
    .array(z.union([z.literal('*'), suffix], { error: 'give a DNS name or "*"' }))
    .min(1, 'give at least one name, or "*"'),
  wildcards: z.boolean().default(false),
});

const secretId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,255}$/, 'give the id of a Secret Manager secret');

/** One text is the id of the secret for both. What is read has always two. */
const kubeconfigSecret = z
  .union([secretId, z.strictObject({ reader: secretId, writer: secretId })], {
    error: 'give the id of a Secret Manager secret, or two as { reader: ID, writer: ID }',
  })
  .transform((id) => (typeof id === 'string' ? { reader: id, writer: id } : id))
  .describe('Where the kubeconfigs lie: reconcile uses the reader, sync the writer.');

const cluster = z.strictObject({
  name: label("the cluster's name"),
  gke: z
    .string()
    .regex(
      /^projects\/[^/]+\/locations\/[^/]+\/clusters\/[^/]+$/,
      'give "projects/P/locations/L/clusters/C"',
    )
    .optional(),
  kubeconfigSecret: kubeconfigSecret.optional(),
  ingressClasses: z
    .array(z.string().min(1, 'give the name of an IngressClass'))
    .min(1, 'name at least one class, or leave it out for any')
    .optional(),
  allow: z.array(allowRule).optional(),
});

const configuredCertificate = z.strictObject({
  cluster: z.string(),
  namespace: label('a namespace'),
  secret: secretName,
  names: z
    .array(dnsName)
    .min(1, 'give at least one name')
    .max(100, 'a certificate holds at most 100 names'),
  issuer: z.string().optional(),
});

const access = z.strictObject({
  viewers: z.array(member).default([]),
  operators: z.array(member).default([]),
  admins: z.array(member).default([]),
});

const runtime = z.strictObject({
  reconcileUrl: anyUrl,
  issueUrl: anyUrl,
  queues: z.record(z.string(), z.string().min(1)).describe('The Cloud Tasks queue of each issuer.'),
  topic: z.string().regex(/^projects\/[^/]+\/topics\/[^/]+$/, 'give "projects/P/topics/T"'),
  schedulerJob: z.string().min(1),
  audience: z.string().min(1).describe('What an ID token for the API must be made out to.'),
  iapAudience: z
    .string()
    .regex(/^\/projects\/\d+\/./, 'give "/projects/NUMBER/locations/L/services/S"')
    .optional()
    .describe(
      'What an assertion of Identity-Aware Proxy must be made out to, where one stands before the API.',
    ),
  invoker: z
    .email({ error: 'give the e-mail of a service account' })
    .describe('The account whose tokens open the issue function to its queue.'),
});

const endpoints = z.strictObject({
  dns: anyUrl.optional(),
  secretManager: anyUrl.optional(),
  tasks: anyUrl.optional(),
  scheduler: anyUrl.optional(),
  container: anyUrl.optional(),
  pubsub: anyUrl.optional(),
  metadata: anyUrl.optional(),
});

const document = z
  .strictObject({
    project: z
      .string()
      // With a domain before it where an organisation of old has its own (https://cloud.google.com/resource-manager/docs/creating-managing-projects).
      .regex(
        /^([a-z0-9][a-z0-9.-]*:)?[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/,
        'give the id of a Google Cloud project, such as "my-project"',
      ),
    location: region.default('europe-west1'),
    issuers: z
      .record(label("the issuer's name"), issuer)
      .refine((issuers) => Object.keys(issuers).length > 0, 'configure at least one issuer'),
    defaultIssuer: z.string().optional(),
    clusters: z.array(cluster).min(1, 'configure at least one cluster'),
    zones: z
      .array(z.strictObject({ project: z.string().min(1) }))
      .min(1, 'name at least one project, or leave it out')
      .optional(),
    delegated: z.array(suffix).default([]),
    wildcards: z.array(plainName).default([]),
    certificates: z.array(configuredCertificate).default([]),
    optIn: z.strictObject({ annotation }).prefault({ annotation: 'kubernetes.io/tls-acme' }),
    access: access.prefault({}),
    installation: z
      .string()
      .regex(
        /^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$/,
        'give at most 20 lower-case letters, digits and "-"',
      )
      // The secrets of "a" begin with "a-cert-", and so would all of an installation "a-cert" or "a-cert-b"; its queues with "a-queue-".
      .refine((name) => !/-(cert|account|pending|queue)(-|$)/.test(name), {
        error: 'give a name without "-cert", "-account", "-pending" or "-queue" as a word',
      })
      .default('certherd'),
    keepVersions: z
      .int('give a whole number')
      .min(1, 'at least the version that is served has to stay')
      .max(50, 'at most 50')
      .default(2),
    // A meaning that changes gets the next number, and whoever reads only this one refuses to start.
    format: z
      .literal(1, 'this program reads format 1 alone; deploy one that reads yours')
      .default(1),
    replicas: z
      .array(
        z.strictObject({
          location: region,
          kmsKey: z
            .string()
            .regex(
              /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+$/,
              'give "projects/P/locations/L/keyRings/R/cryptoKeys/K"',
            )
            .optional(),
        }),
      )
      .default([])
      .describe(
        'Where new secrets lie, and the Cloud KMS key of each place; none: Google chooses.',
      ),
    dns: z
      .strictObject({
        settleSeconds: z.number().min(0).max(60, 'at most 60: a worker has 90 seconds').default(20),
        resolver: z.string().min(1).default('system'),
        port: z.int().min(1).max(65_535).default(53),
      })
      .prefault({}),
    handshake: z
      .strictObject({
        allow: z
          .array(z.union([z.cidrv4(), z.cidrv6()], { error: 'give a range such as "10.0.0.0/8"' }))
          .default([]),
      })
      .prefault({}),
    runtime,
    endpoints: endpoints.prefault({}),
  })
  .meta({ title: 'Certherd', description: 'What Certherd keeps valid, where, and who may ask.' });

type Document = z.output<typeof document>;

/** The whole configuration, complete: every default is filled in and every name is in its normal form. */
export type Config = Omit<Document, 'defaultIssuer' | 'zones'> &
  Readonly<{ defaultIssuer: string; zones: readonly Readonly<{ project: string }>[] }>;

/** The configuration, or every fault of it, each with its path and what would be right. */
export type ParsedConfig = Readonly<{ config: Config } | { faults: readonly string[] }>;

/** Parses the document, whether it came from YAML or JSON. Pure; no default stands anywhere else. */
export function parseConfig(input: unknown): ParsedConfig {
  const result = document.safeParse(input, { error: sentence });
  const faults = [...(result.error ? faultsOf(result.error) : []), ...crossFaults(input)];
  if (!result.success || faults.length > 0) return { faults };
  const { data } = result;
  return {
    config: {
      ...data,
      defaultIssuer: data.defaultIssuer ?? (Object.keys(data.issuers)[0] as string),
      zones: data.zones ?? [{ project: data.project }],
    },
  };
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of keys to values',
  record: 'a mapping of names to values',
};

/** What would be right, where the schema itself does not say it. */
const sentence: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_key') return issue.issues[0]?.message;
  if (issue.code === 'too_small')
    return issue.origin === 'string'
      ? 'give a text that is not empty'
      : `at least ${issue.minimum}`;
  if (issue.code === 'too_big') return `at most ${issue.maximum}`;
  if (issue.code !== 'invalid_type') return undefined;
  const kind = KINDS[issue.expected] ?? issue.expected;
  return issue.input === undefined ? `is missing; give ${kind}` : `give ${kind}`;
};

const faultsOf = ({ issues }: z.ZodError): readonly string[] =>
  issues.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return [`${pathText(issue.path)}: ${issue.message}`];
    return issue.keys.map(
      (key) =>
        `${pathText([...issue.path, key])}: there is no such key; correct its spelling or remove it`,
    );
  });

const pathText = (path: readonly PropertyKey[]): string =>
  path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '') || 'the document';

/** The document in CERTHERD_CONFIG. Throws `config-invalid` with every fault, so that a broken revision never becomes healthy. */
export function configFromEnvironment(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Config {
  const text = environment.CERTHERD_CONFIG;
  if (!text)
    throw new CertificateError(
      'config-invalid',
      'the environment variable CERTHERD_CONFIG is not set; put the configuration document into it as JSON',
    );
  const parsed = parseConfig(jsonOf(text));
  if ('config' in parsed) return parsed.config;
  throw new CertificateError(
    'config-invalid',
    `CERTHERD_CONFIG has ${parsed.faults.length} fault(s): ${parsed.faults.join('; ')}`,
  );
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CertificateError('config-invalid', 'CERTHERD_CONFIG is not JSON', { cause });
  }
}

/** The JSON Schema of the document as people write it, so without a duty to write `runtime`; `docs/config.schema.json` is this. */
export function configJsonSchema(): object {
  const { required = [], ...schema } = z.toJSONSchema(document, { io: 'input' });
  return { ...schema, required: required.filter((key) => key !== 'runtime') };
}

/** The part of the configuration that decides about requests. */
export function rulesOf(config: Config): Rules {
  return {
    installation: config.installation,
    optInAnnotation: config.optIn.annotation,
    issuers: config.issuers,
    defaultIssuer: config.defaultIssuer,
    clusters: config.clusters.map(({ name, ingressClasses, allow }) => ({
      name,
      ingressClasses,
      allow,
    })),
    delegated: config.delegated,
    wildcards: config.wildcards,
    certificates: config.certificates.map(({ issuer, ...certificate }) => ({
      ...certificate,
      issuer,
    })),
  };
}
