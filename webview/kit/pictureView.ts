/** A picture on a page, as it would be saved, and the buttons that save it. */
import { html, nothing, svg, type TemplateResult } from "lit";
import { formatCsv } from "../../src/protocol/csv";
import { type FacePath, joinFaces } from "../../src/pictures/facePaths";
import { markSize } from "../../src/pictures/placeMarks";
import type { Picture, Stroke } from "../../src/pictures/picture";
import { renderSvg } from "../../src/pictures/svg";
import { renderPng } from "./picturePng";
import type { Host } from "../../src/protocol/page";
import type { Stage } from "./stage";

/** `overlays` are drawn on top: what the pointer reaches. */
export function renderPicture(picture: Picture, overlays: readonly TemplateResult[] = []): TemplateResult {
  const { area, width, height, title } = picture;
  const [across, down] = [area.right - area.left, area.bottom - area.top];
  // Titles are for files; a page has readings.
  const faces = (picture.faces ?? []).map(({ points, color }) => ({ points, color }));
  return html`<svg
    class="picture"
    width=${width}
    height=${height}
    viewBox="0 0 ${width} ${height}"
    role=${overlays.length > 0 ? "group" : "img"}
    aria-label=${title}
  >
    ${joinFaces(faces).map(renderFace)} ${picture.grid.map(renderStroke)}
    <svg
      x=${area.left}
      y=${area.top}
      width=${across}
      height=${down}
      viewBox="${area.left} ${area.top} ${across} ${down}"
      overflow="visible"
    >
      ${picture.strokes.map(renderStroke)}
    </svg>
    ${picture.marks.map(({ x, y, shape, color }) => svg`<path transform="translate(${x} ${y}) scale(${markSize})" d=${shape} fill=${color} />`)}
    ${picture.labels.map(({ x, y, text, color, anchor, size, bold, halo }) => svg`<text x=${x} y=${y} font-size=${size} text-anchor=${anchor} fill=${color} font-weight=${bold === true ? "600" : "400"} stroke=${halo ?? "none"} stroke-width="3" stroke-linejoin="round" paint-order="stroke">${text}</text>`)}
    ${overlays}
  </svg>`;
}

function renderFace({ color, shape }: FacePath): TemplateResult {
  return svg`<path d=${shape} fill=${color} stroke=${color} stroke-width=".4" />`;
}

function renderStroke({ pieces, color, opacity, width, dash }: Stroke): TemplateResult | typeof nothing {
  const d = pieces
    .map((piece) => `M${piece.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`)
    .join("");
  return svg`<path d=${d} fill="none" stroke=${color} stroke-width=${width} stroke-opacity=${opacity} stroke-dasharray=${dash.join(" ")} />`;
}

export interface SaveOptions {
  /** Without an ending. */
  readonly name: string;
  /** How it is called where the buttons are read out. */
  readonly title: string;
  readonly picture: Picture;
  readonly lines: () => readonly (readonly string[])[];
}

/** PNG, SVG and CSV of what is seen. */
export function renderSaveButtons(
  { host }: { readonly host: Host },
  stage: Stage,
  { name, title, picture, lines }: SaveOptions,
): TemplateResult {
  const contents = {
    png: () => ({ base64: renderPng(picture) }),
    svg: () => ({ text: renderSvg(picture) }),
    csv: () => ({ text: formatCsv(lines()) }),
  };
  return html`<div class="exports">
    ${Object.entries(contents).map(
      ([format, content]) =>
        html`<button
          class="quiet"
          aria-label="Save ${title} as ${format.toUpperCase()}"
          @click=${() =>
            stage.attempt(() => host.request("page.save", { name: `${name}.${format}`, content: content() }))}
        >
          ${format.toUpperCase()}
        </button>`,
    )}
  </div>`;
}
