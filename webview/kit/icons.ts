/** Icons of 16 pixels in the color of their text. They are decorative: their meaning is also given in words. */
import { html, svg, type TemplateResult } from "lit";

const createIcon = (drawing: TemplateResult, filled = false) =>
  html`<svg
    class="icon"
    width="16"
    height="16"
    viewBox="0 0 16 16"
    aria-hidden="true"
    fill=${filled ? "currentColor" : "none"}
    stroke=${filled ? "none" : "currentColor"}
    stroke-width="1.2"
    stroke-linecap="round"
    stroke-linejoin="round"
  >
    ${drawing}
  </svg>`;

const starShape = svg`<path d="M8 1.8l1.9 3.9 4.3.6-3.1 3 .7 4.3L8 11.6l-3.8 2 .7-4.3-3.1-3 4.3-.6z" />`;

export const icons = {
  star: createIcon(starShape, true),
  starOutline: createIcon(starShape),
  search: createIcon(svg`<circle cx="7" cy="7" r="4.2" /><path d="M10.2 10.2L14 14" />`),
  close: createIcon(svg`<path d="M4 4l8 8M12 4l-8 8" />`),
  add: createIcon(svg`<path d="M8 3v10M3 8h10" />`),
  up: createIcon(svg`<path d="M4.5 9.5L8 6l3.5 3.5" />`),
  down: createIcon(svg`<path d="M4.5 6.5L8 10l3.5-3.5" />`),
  right: createIcon(svg`<path d="M6.5 4.5L10 8l-3.5 3.5" />`),
  columns: createIcon(svg`<path d="M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10" />`),
  export: createIcon(svg`<path d="M8 10V2.5M5 5.3l3-3 3 3M3 9.5V13h10V9.5" />`),
  chart: createIcon(svg`<path d="M2.5 2.5v11h11M5 10.5l2.5-4 2 2L13 4" />`),
  compare: createIcon(svg`<path d="M2.5 3h4.5v10H2.5zM9 3h4.5v10H9zM2.5 6.5H7M9 9.5h4.5" />`),
  stop: createIcon(svg`<rect x="4" y="4" width="8" height="8" rx="1" />`, true),
  resume: createIcon(svg`<path d="M5 3.5v9l7-4.5z" />`, true),
  trash: createIcon(
    svg`<path d="M3 4.5h10M6.3 4.5V3h3.4v1.5M4.3 4.5l.6 8.5h6.2l.6-8.5M6.8 7v3.8M9.2 7v3.8" />`,
  ),
  copy: createIcon(svg`<path d="M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1" />`),
  sizes: createIcon(svg`<path d="M2.5 4h11M2.5 8h7M2.5 12h4" />`),
  histogram: createIcon(svg`<path d="M2.5 13.5h11M4 13V9M6.7 13V4.5M9.3 13V6.5M12 13v-2.5" />`),
  log: createIcon(svg`<path d="M3.5 2.5h9v11h-9zM5.8 5.5h4.4M5.8 8h4.4M5.8 10.5h2.6" />`),
  view: createIcon(svg`<path d="M2.5 3h11v10h-11zM2.5 6h11M6 6v7" />`),
  pin: createIcon(svg`<path d="M5.5 2.5h5M6.3 2.5v4L4.5 9h7L9.7 6.5v-4M8 9v4.5" />`),
  warning: createIcon(svg`<path d="M8 2.2l6.3 11.3H1.7zM8 6.5v3.3M8 11.6v.1" />`),
} as const;
