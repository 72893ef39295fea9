import { type Document, LineCounter, parseAllDocuments, type SchemaOptions } from 'yaml';

// The dialect of Kubernetes' own parser: `yes` and `on` are booleans, a date is a text.
const dialect: SchemaOptions = {
  schema: 'yaml-1.1',
  customTags: (tags) =>
    tags.filter(
      (tag) =>
        typeof tag === 'string' ||
        (tag.tag !== 'tag:yaml.org,2002:timestamp' &&
          tag.tag !== 'tag:yaml.org,2002:binary' &&
          !('format' in tag && tag.format === 'TIME')),
    ),
};

export type YamlText = Readonly<{
  /** Each with its own `errors`. */
  documents: readonly Document.Parsed[];
  /** The line, from 1, of a position in the text. */
  lineOf: (position: number) => number;
}>;

/** Reads a YAML (or JSON) text of any number of documents; a broken one does not stop the others. */
export function readYaml(text: string): YamlText {
  const lineCounter = new LineCounter();
  const options = { version: '1.1', uniqueKeys: false, lineCounter, ...dialect } as const;
  const documents = parseAllDocuments(text, options);
  return {
    documents: 'empty' in documents ? [] : documents,
    lineOf: (position) => lineCounter.linePos(position).line,
  };
}
