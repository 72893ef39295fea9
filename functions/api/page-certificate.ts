import { deliveryState } from '../../shared/domain/delivery-state.ts';
import { type Html, html } from './html.ts';
import { day, moment, untilEnd } from './page-time.ts';
import type { CertificateView } from './view.ts';

const MOST_NAMES = 6;

/** One certificate as a row. Each cell carries its column's title, for screens on which a row is a card. */
export function certificateRow(view: CertificateView, now: Date): Html {
  return html`<tr>
<th scope="row">${names(view)}<small><code>${view.id}</code></small></th>
<td data-label="Issuer"><span>${view.issuer}</span></td>
<td data-label="State">${state(view, now)}${failure(view)}</td>
<td data-label="Ends">${end(view, now)}</td>
<td data-label="Version">${version(view)}</td>
<td data-label="Delivery">${delivery(view)}</td>
</tr>`;
}

function names({ names: all }: CertificateView): Html {
  if (!all) return html`<span class="soft">left out while its order is open</span>`;
  const shown = all.slice(0, MOST_NAMES).map((name) => html`<div>${name}</div>`);
  const more = all.length - shown.length;
  return html`${shown}${more > 0 ? html`<small>and ${more} more</small>` : undefined}`;
}

function state({ state: of, notAfter }: CertificateView, now: Date): Html {
  const shown = of === 'issued' && notAfter && notAfter <= now ? 'expired' : of;
  return html`<span class="state ${shown}">${shown}</span>`;
}

function failure({ failure: last }: CertificateView): Html | undefined {
  if (!last) return undefined;
  const { code, message, count, retryAt } = last;
  return html`<small class="bad">${code}: ${message}</small><small>failed ${count === 1 ? 'once' : `${count} times in a row`}, next attempt ${moment(retryAt)}</small>`;
}

function end({ notAfter, renewAt }: CertificateView, now: Date): Html {
  if (!notAfter) return html`<span class="soft">not issued yet</span>`;
  const words = untilEnd(notAfter, now);
  const renewed = renewAt ? html`<small>${renewal(renewAt, now)}</small>` : undefined;
  return html`<span class="nowrap ${words === 'expired' ? 'bad' : ''}">${words}</span><small>${day(notAfter)}</small>${renewed}`;
}

const renewal = (at: Date, now: Date): Html =>
  at <= now ? html`due since ${day(at)}` : html`renewed from ${day(at)} on`;

function version({ version: number, serial }: CertificateView): Html {
  if (number === null || serial === null) return html`<span class="soft">none</span>`;
  return html`<span>${number}</span><small>serial <code>${serial}</code></small>`;
}

function delivery(view: CertificateView): Html {
  const state = deliveryState(view);
  const { delivered, version: newest } = view;
  const problems = delivered?.failed.map(
    (sentence) => html`<small class="bad">${sentence}</small>`,
  );
  const at =
    delivered?.version === newest ? html`<small>${moment(delivered.at)}</small>` : undefined;
  return html`<span class="${MOODS[state] ?? ''}">${state}</span>${at}${problems}`;
}

const MOODS: Readonly<Record<string, string>> = {
  'nothing to deliver': 'soft',
  'in part': 'bad',
  'not delivered': 'bad',
};
