import { z } from 'zod';

/** As much of a document as the checks between its parts need, whatever else is wrong with it. */
const outline = z.object({
  issuers: z.record(z.string(), z.unknown()).catch({}),
  defaultIssuer: z.string().optional().catch(undefined),
  clusters: z
    .array(
      z
        .object({
          name: z.string().catch(''),
          gke: z.unknown().optional(),
          kubeconfigSecret: z.unknown().optional(),
          allow: z.unknown().optional(),
        })
        .catch({ name: '', gke: undefined, kubeconfigSecret: '?', allow: [] }),
    )
    .catch([]),
  certificates: z
    .array(
      z
        .object({ cluster: z.string().catch(''), issuer: z.string().optional().catch(undefined) })
        .catch({ cluster: '', issuer: undefined }),
    )
    .catch([]),
  runtime: z
    .object({ queues: z.record(z.string(), z.unknown()).catch({}) })
    .optional()
    .catch(undefined),
});

type Outline = z.output<typeof outline>;

/** The faults that no single value has: names that lead nowhere, twins, what several of a kind need. */
export function crossFaults(input: unknown): readonly string[] {
  const parsed = outline.safeParse(input);
  if (!parsed.success) return [];
  return [
    ...issuerFaults(parsed.data),
    ...clusterFaults(parsed.data),
    ...certificateFaults(parsed.data),
  ];
}

function issuerFaults({ issuers, defaultIssuer, runtime }: Outline): readonly string[] {
  const names = Object.keys(issuers);
  if (names.length === 0) return [];
  const queueless = names.filter((name) => runtime && !Object.hasOwn(runtime.queues, name));
  return [
    ...(defaultIssuer === undefined && names.length > 1
      ? [`defaultIssuer: say which of ${names.join(', ')} an Ingress gets that names none`]
      : []),
    ...(defaultIssuer !== undefined && !names.includes(defaultIssuer)
      ? [`defaultIssuer: there is no issuer "${defaultIssuer}"; give one of ${names.join(', ')}`]
      : []),
    ...queueless.map((name) => `runtime.queues.${name}: every issuer needs the name of its queue`),
  ];
}

function clusterFaults({ clusters }: Outline): readonly string[] {
  return clusters.flatMap(({ name, gke, kubeconfigSecret, allow }, index) => {
    const at = `clusters[${index}]`;
    const ways = [gke, kubeconfigSecret].filter((way) => way !== undefined).length;
    const isTwin = name !== '' && clusters.findIndex((other) => other.name === name) < index;
    return [
      ...(ways === 1
        ? []
        : [`${at}: give either gke or kubeconfigSecret, so that the cluster can be reached`]),
      ...(isTwin ? [`${at}.name: "${name}" is taken by another cluster`] : []),
      ...(allow === undefined && clusters.length > 1
        ? [
            `${at}.allow: with several clusters each needs the list of names that its namespaces may have`,
          ]
        : []),
    ];
  });
}

function certificateFaults({ certificates, clusters, issuers }: Outline): readonly string[] {
  const clusterNames = clusters.map(({ name }) => name);
  const issuerNames = Object.keys(issuers);
  return certificates.flatMap(({ cluster, issuer }, index) => [
    ...(isUnknown(cluster, clusterNames)
      ? [`certificates[${index}].cluster: there is no cluster "${cluster}"`]
      : []),
    ...(isUnknown(issuer, issuerNames)
      ? [`certificates[${index}].issuer: there is no issuer "${issuer}"`]
      : []),
  ]);
}

// Where nothing of a kind could be read, that is the fault, not every mention of one.
const isUnknown = (name: string | undefined, known: readonly string[]) =>
  name !== undefined && name !== '' && known.length > 0 && !known.includes(name);
