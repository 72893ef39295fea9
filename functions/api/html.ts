/** Markup that is safe to send as it is. Only `html` and `markup` make it. */
export type Html = Readonly<{ markup: string }>;

type Value = string | number | Html | readonly Html[] | undefined;

/** HTML from a template whose every value is escaped, unless it is Html itself. A value may stand in text and in quoted attributes only. */
export const html = (parts: TemplateStringsArray, ...values: readonly Value[]): Html => ({
  markup: String.raw({ raw: parts }, ...values.map(text)),
});

/** Text that is a constant of this program: a style sheet, for one. */
export const markup = (constant: string): Html => ({ markup: constant });

function text(value: Value): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return escaped(value);
  if (typeof value === 'number') return String(value);
  return [value]
    .flat()
    .map((one) => one.markup)
    .join('');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escaped = (value: string) => value.replace(/[&<>"']/g, (found) => ENTITIES[found] ?? '');
