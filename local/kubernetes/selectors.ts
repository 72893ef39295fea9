import { badRequest } from './faults.ts';
import { type KubernetesObject, recordAt } from './object.ts';

/** Whether an object is among those that a list or watch asks for. */
export type Selector = (object: KubernetesObject) => boolean;

/** Both selectors of a query as one, undefined when it has none. */
export function selectorOf(query: URLSearchParams, plural: string): Selector | undefined {
  const labels = parts(query.get('labelSelector')).map(labelRequirement);
  const fields = parts(query.get('fieldSelector')).map((part) => fieldRequirement(part, plural));
  const all = [...labels, ...fields];
  return all.length > 0 ? (object) => all.every((holds) => holds(object)) : undefined;
}

// Commas inside the parentheses of a set belong to the set.
const parts = (text: string | null) => (text ? text.split(/,(?![^(]*\))/) : []);

const IDENTIFIER = /^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$/;
const EQUALITY = /^\s*([^\s=!]+)\s*(==?|!=)\s*([^\s=!]*)\s*$/;
const MEMBERSHIP = /^\s*(\S+)\s+(in|notin)\s*\(([^()]*)\)\s*$/;

function labelRequirement(part: string): Selector {
  const [, key, operator, value] = EQUALITY.exec(part) ?? [];
  if (key && IDENTIFIER.test(key))
    return ({ metadata }) => (metadata.labels?.[key] === value) !== (operator === '!=');
  const [, member, set, values = ''] = MEMBERSHIP.exec(part) ?? [];
  if (member && IDENTIFIER.test(member)) {
    const wanted = values.split(',').map((item) => item.trim());
    return ({ metadata }) => {
      const label = metadata.labels?.[member];
      return (label !== undefined && wanted.includes(label)) !== (set === 'notin');
    };
  }
  const [, not, existing] = /^\s*(!?)\s*(\S+)\s*$/.exec(part) ?? [];
  if (!existing || !IDENTIFIER.test(existing))
    throw badRequest(`unable to parse requirement: found '${part.trim()}'`);
  return ({ metadata }) => (metadata.labels?.[existing] !== undefined) !== (not === '!');
}

/** Fields beside name and namespace that a resource can be selected by. */
const MORE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  secrets: ['type'],
  namespaces: ['status.phase'],
};

function fieldRequirement(part: string, plural: string): Selector {
  const [, field, operator, value = ''] = /^([^=!]+)(==?|!=)(.*)$/.exec(part) ?? [];
  if (!field) throw badRequest(`invalid selector: '${part}'; can't understand '${part}'`);
  if (field === 'metadata.name' || field === 'metadata.namespace') {
    const name = field === 'metadata.name' ? 'name' : 'namespace';
    return ({ metadata }) => ((metadata[name] ?? '') === value) !== (operator === '!=');
  }
  if (!MORE_FIELDS[plural]?.includes(field)) throw unknownField(field, plural);
  const [first = '', second] = field.split('.');
  return (object) => {
    const found = second ? recordAt(object, first)[second] : object[first];
    return (found === value) !== (operator === '!=');
  };
}

const unknownField = (field: string, plural: string) =>
  badRequest(
    plural in MORE_FIELDS
      ? `field label not supported: ${field}`
      : `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`,
  );
