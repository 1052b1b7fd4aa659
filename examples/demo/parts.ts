import type { Activity, Bucket } from "./activity.ts";
import { markup } from "./html.ts";
import type { Markup } from "./html.ts";
import type { Rotation } from "./rotation.ts";

// The parts of pages that change while they are looked at. Rendered with the page, so that it is complete without
// script; sent anew by live.ts, so that it need not be loaded anew with it.

/** The last events and the sizes of the batches. */
export function activityPart(activity: Activity, most: number): Markup {
  const { counts, entries, buckets, largest } = activity;
  return markup`
<dl class="figures">
${figure("Loads", counts.get("load"))}
${figure("Saves", counts.get("save"))}
${figure("Merges", counts.get("merge"))}
${figure("Largest batch", largest)}
</dl>
${largest > 0 && sizesTable(buckets)}
<ol class="events">
${
    entries.slice(0, most).map(({ time, type, text }) =>
      markup`<li><time datetime="${time.toISOString()}">${
        clock(time)
      }</time> <b>${type}</b> <span>${text}</span></li>`
    )
  }
</ol>`;
}

function figure(label: string, count = 0): Markup {
  return markup`<div><dt>${label}</dt><dd>${count}</dd></div>`;
}

function sizesTable(buckets: readonly Bucket[]): Markup {
  const most = Math.max(1, ...buckets.map(({ load, write }) => load + write));
  // The policy of our pages forbids inline styles; an SVG carries the length of its bars as attributes.
  const bar = ({ load, write }: Bucket) => {
    const [width, second] = [(load / most) * 100, (write / most) * 100];
    return markup`<svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="load" width="${width}" height="8"/><rect class="write" x="${width}" width="${second}" height="8"/></svg>`;
  };
  return markup`
<table class="sizes">
<caption>Batches by size</caption>
<thead><tr><th scope="col">Size</th><th scope="col"><span class="key load"></span>Loads</th><th scope="col"><span class="key write"></span>Writes</th><th class="bars" aria-hidden="true"></th></tr></thead>
<tbody>
${
    buckets.map((bucket) =>
      markup`<tr><th scope="row">${bucket.label}</th><td>${bucket.load}</td><td>${bucket.write}</td><td class="bars" aria-hidden="true">${
        bar(bucket)
      }</td></tr>`
    )
  }
</tbody>
</table>`;
}

/** How far the last rotation has come. */
export function rotationPart({ status, keyCount }: Rotation): Markup {
  const keys = markup`<p>${
    keyCount === 1 ? "One key" : `${keyCount} keys`
  }: the newest protects, every one opens.</p>`;
  if (!status) return keys;
  const { state, total, progress } = status;
  const { seen = 0, resealed = 0, overtaken = 0 } = progress ?? {};
  const most = Math.max(total ?? seen, seen, 1);
  const value = state === "done" ? most : seen;
  const headline = {
    running: "Protecting stored sessions with the new key …",
    done: "Every stored session is protected with the newest key.",
    failed: "Stopped early. What is left is still open to its older key; rotate again to finish.",
  }[state];
  return markup`${keys}
<p><label for="rekey">${headline}</label></p>
<progress id="rekey" max="${most}" value="${value}"></progress>
<p class="quiet">${seen} looked at, ${resealed} protected anew, ${overtaken} written by a request meanwhile</p>`;
}

function clock(time: Date): string {
  return time.toISOString().slice(11, 19);
}
