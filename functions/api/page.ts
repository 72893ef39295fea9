import { hash } from 'node:crypto';
import { deliveryState } from '../../shared/domain/delivery-state.ts';
import { type Html, html, markup } from './html.ts';
import { certificateRow } from './page-certificate.ts';
import { STYLE } from './page-style.ts';
import { moment, untilEnd } from './page-time.ts';
import { type Readings, statusDocument } from './status.ts';
import { certificateView } from './view.ts';

/** The page has one style and nothing else: no script, no picture, no form, no frame. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${hash('sha256', STYLE, 'base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The status page, complete. */
export function statusPage(readings: Readings): string {
  const { now } = readings;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Certherd: certificates</title>
<style>${markup(STYLE)}</style>
</head>
<body>
<header><h1>Certherd</h1><p class="soft">as of ${moment(now)}</p></header>
<main>
${figures(readings)}
${certificates(readings)}
${engines(readings)}
</main>
</body>
</html>
`;
  return page.markup;
}

function figures(readings: Readings): Html {
  const { certificates: counts, next } = statusDocument(readings);
  if ('error' in counts)
    return html`<p class="bad">The certificates cannot be read: ${counts.error}</p>`;
  const undelivered = withoutAll(readings);
  const soonest =
    next && 'notAfter' in next
      ? html`${untilEnd(next.notAfter, readings.now)}<small class="soft" title="${next.id}">${firstName(next.id, readings)}</small>`
      : html`none`;
  return html`<dl class="figures">
${figure('Certificates', html`${counts.total}`)}
${figure('Issued', html`${counts.issued}`)}
${figure('Failed', html`<span class="${counts.failed > 0 ? 'bad' : ''}">${counts.failed}</span>`)}
${figure('Not delivered', html`<span class="${undelivered > 0 ? 'bad' : ''}">${undelivered}</span>`)}
${figure('Ends within 7 days', html`${counts.expiringWithin7Days}`)}
${figure('Expired', html`<span class="${counts.expired > 0 ? 'bad' : ''}">${counts.expired}</span>`)}
${figure('Ends first', soonest)}
</dl>`;
}

/** How many certificates some Secret of theirs did not take. */
function withoutAll({ inventory, now }: Readings): number {
  if ('error' in inventory) return 0;
  const states = inventory.records.map((stored) => deliveryState(certificateView(stored, now)));
  return states.filter((state) => state === 'in part' || state === 'not delivered').length;
}

function firstName(id: string, { inventory }: Readings): string {
  const found = 'records' in inventory ? inventory.records.find((one) => one.id === id) : undefined;
  return found?.record.identity.names?.[0] ?? id;
}

const figure = (title: string, value: Html) =>
  html`<div class="sheet"><dt>${title}</dt><dd>${value}</dd></div>`;

function certificates({ inventory, now }: Readings): Html {
  if ('error' in inventory) return html``;
  const views = inventory.records
    .map((stored) => certificateView(stored, now))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const broken = inventory.invalid.map(
    ({ id, problem }) => html`<p class="bad">The record of <code>${id}</code> ${problem}.</p>`,
  );
  const table = html`<div class="sheet"><table>
<thead><tr><th scope="col" class="names">Names</th><th scope="col" class="issuer">Issuer</th><th scope="col" class="states">State</th><th scope="col" class="ends">Ends</th><th scope="col" class="version">Version</th><th scope="col">Delivery</th></tr></thead>
<tbody>${views.map((view) => certificateRow(view, now))}</tbody>
</table></div>`;
  const none = html`<p class="soft">There is none yet. The next run of the schedule plans those that Ingresses ask for.</p>`;
  return html`<section aria-labelledby="certificates"><h2 id="certificates">Certificates</h2>
${broken}${views.length > 0 ? table : undefined}${views.length + broken.length === 0 ? none : undefined}
</section>`;
}

function engines({ schedule, queues }: Readings): Html {
  return html`<section aria-labelledby="engines"><h2 id="engines">Engines</h2>
<div class="engines">
<div class="sheet"><h3>Schedule</h3>${scheduleOf(schedule)}</div>
<div class="sheet"><h3>Queues</h3>${queuesOf(queues)}</div>
</div>
<p class="soft">Run it now: <code>npm run certherd -- run</code></p>
</section>`;
}

function scheduleOf(schedule: Readings['schedule']): Html {
  if ('error' in schedule) return html`<p class="bad">${schedule.error}</p>`;
  const { state, lastRunAt, lastResult, nextRunAt } = schedule;
  return html`<dl>
<dt>State</dt><dd>${state}</dd>
<dt>Last run</dt><dd>${lastRunAt ? moment(lastRunAt) : 'never'}${lastRunAt ? html`, ${lastResult}` : undefined}</dd>
<dt>Next run</dt><dd>${nextRunAt ? moment(nextRunAt) : 'not planned'}</dd>
</dl>`;
}

function queuesOf(queues: Readings['queues']): Html {
  if ('error' in queues) return html`<p class="bad">${queues.error}</p>`;
  return html`<dl>${queues.map(
    ({ issuer, state, problem }) =>
      html`<dt>${issuer}</dt><dd>${state}${problem ? html`: <span class="bad">${problem}</span>` : undefined}</dd>`,
  )}</dl>`;
}
