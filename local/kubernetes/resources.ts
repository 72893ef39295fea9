import { type FieldFault, invalidValue, requiredValue } from './faults.ts';
import { ingressFaults } from './ingress-rules.ts';
import { labelFaults, subdomainFaults } from './names.ts';
import { isEqual, type Json, type KubernetesObject, recordAt } from './object.ts';
import {
  atomic,
  boolean,
  list,
  number,
  objectSchema,
  type Schema,
  string,
  stringMap,
  struct,
} from './schema.ts';
import { secretFaults, storedSecret } from './secret-rules.ts';
import * as tables from './tables.ts';

/** A kind of object that this server has, with everything that sets it apart from the others. */
export type Resource = Readonly<{
  group: '' | 'networking.k8s.io';
  plural: string;
  singular: string;
  kind: string;
  shortNames?: readonly string[];
  namespaced: boolean;
  hasStatus: boolean;
  hasGeneration: boolean;
  schema: Schema;
  /** What an object holds before anything is set. */
  blank: Json;
  /** What is filled in as soon as an object is read from a request, before its owners are noted. */
  defaulted: (value: Json) => Json;
  nameFaults: (field: string, name: string) => FieldFault[];
  faults: (value: Json, before: Json | undefined) => FieldFault[];
  columns: readonly tables.Column[];
  cells: (object: KubernetesObject, age: string) => tables.Row;
}>;

export const apiVersionOf = ({ group }: Resource) => (group ? `${group}/v1` : 'v1');

const backend = {
  resource: atomic({ apiGroup: string, kind: string, name: string }),
  service: struct({ name: string, port: atomic({ name: string, number }) }),
};
const port = struct({ port: number, protocol: string, error: string });
const ingressSchema = objectSchema({
  spec: struct({
    ingressClassName: string,
    defaultBackend: struct(backend),
    tls: list(struct({ hosts: list(string), secretName: string })),
    rules: list(
      struct({
        host: string,
        http: struct({
          paths: list(struct({ path: string, pathType: string, backend: struct(backend) })),
        }),
      }),
    ),
  }),
  status: struct({
    loadBalancer: struct({
      ingress: list(struct({ ip: string, hostname: string, ports: list(port) })),
    }),
  }),
});

export const namespaces: Resource = {
  group: '',
  plural: 'namespaces',
  singular: 'namespace',
  kind: 'Namespace',
  shortNames: ['ns'],
  namespaced: false,
  hasStatus: false,
  hasGeneration: false,
  schema: objectSchema({
    spec: struct({ finalizers: list(string) }),
    status: struct({ phase: string, conditions: list({ type: 'any' }) }),
  }),
  blank: { spec: {}, status: {} },
  defaulted: namespaceWithLabel,
  nameFaults: labelFaults,
  faults: () => [],
  columns: tables.namespaceColumns,
  cells: tables.namespaceCells,
};

function namespaceWithLabel(value: Json): Json {
  const metadata = recordAt(value, 'metadata');
  const labels = {
    ...recordAt(metadata, 'labels'),
    ...(metadata.name ? { 'kubernetes.io/metadata.name': metadata.name } : {}),
  };
  return { spec: {}, status: {}, ...value, metadata: { ...metadata, labels } };
}

const secrets: Resource = {
  group: '',
  plural: 'secrets',
  singular: 'secret',
  kind: 'Secret',
  namespaced: true,
  hasStatus: false,
  hasGeneration: false,
  schema: objectSchema({
    immutable: boolean,
    data: stringMap,
    stringData: stringMap,
    type: string,
  }),
  blank: {},
  defaulted: storedSecret,
  nameFaults: subdomainFaults,
  faults: secretFaults,
  columns: tables.secretColumns,
  cells: tables.secretCells,
};

const ingresses: Resource = {
  group: 'networking.k8s.io',
  plural: 'ingresses',
  singular: 'ingress',
  kind: 'Ingress',
  shortNames: ['ing'],
  namespaced: true,
  hasStatus: true,
  hasGeneration: true,
  schema: ingressSchema,
  blank: { spec: {}, status: { loadBalancer: {} } },
  defaulted: (value) => ({
    ...value,
    spec: recordAt(value, 'spec'),
    status: { loadBalancer: {}, ...recordAt(value, 'status') },
  }),
  nameFaults: subdomainFaults,
  faults: ingressFaults,
  columns: tables.ingressColumns,
  cells: tables.ingressCells,
};

export const ingressClasses: Resource = {
  group: 'networking.k8s.io',
  plural: 'ingressclasses',
  singular: 'ingressclass',
  kind: 'IngressClass',
  namespaced: false,
  hasStatus: false,
  hasGeneration: true,
  schema: objectSchema({
    spec: struct({
      controller: string,
      parameters: struct({
        apiGroup: string,
        kind: string,
        name: string,
        namespace: string,
        scope: string,
      }),
    }),
  }),
  blank: { spec: {} },
  defaulted: (value) => ({ ...value, spec: recordAt(value, 'spec') }),
  nameFaults: subdomainFaults,
  faults: classFaults,
  columns: tables.classColumns,
  cells: tables.classCells,
};

const DOMAIN_PREFIXED = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/\S+$/;

function classFaults(value: Json, before: Json | undefined): FieldFault[] {
  const { controller } = recordAt(value, 'spec');
  const field = 'spec.controller';
  if (before && !isEqual(controller, recordAt(before, 'spec').controller))
    return [invalidValue(field, controller ?? '', 'field is immutable')];
  if (controller === undefined) return [requiredValue(field)];
  return DOMAIN_PREFIXED.test(String(controller))
    ? []
    : [invalidValue(field, controller, 'must be a domain-prefixed path (such as "acme.io/foo")')];
}

export const allResources: readonly Resource[] = [namespaces, secrets, ingressClasses, ingresses];
