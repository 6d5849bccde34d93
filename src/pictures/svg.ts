/** A picture as SVG: real vectors and text, without scripts or external content. */
import { formatCoordinate, joinFaces } from "./facePaths";
import { markSize } from "./placeMarks";
import type { Face, Picture, Stroke } from "./picture";

/** `id` distinguishes the pictures of one page. */
export function renderSvg(picture: Picture, id = "area"): string {
  const { area, width, height } = picture;
  const content = `<clipPath id="${id}"><rect x="${formatCoordinate(area.left)}" y="${formatCoordinate(area.top)}" width="${formatCoordinate(area.right - area.left)}" height="${formatCoordinate(area.bottom - area.top)}"/></clipPath>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${formatCoordinate(width)}" height="${formatCoordinate(height)}" viewBox="0 0 ${formatCoordinate(width)} ${formatCoordinate(height)}" font-family="${escapeText(picture.font)}">`,
    `<title>${escapeText(picture.title)}</title>`,
    `<defs>${content}</defs>`,
    `<rect width="100%" height="100%" fill="${escapeText(picture.background)}"/>`,
    ...renderFaces(picture.faces ?? []),
    ...picture.grid.map(renderStroke),
    `<g clip-path="url(#${id})">`,
    ...picture.strokes.map(renderStroke),
    `</g>`,
    ...picture.marks.map(
      (mark) =>
        `<path transform="translate(${formatCoordinate(mark.x)} ${formatCoordinate(mark.y)}) scale(${markSize})" d="${mark.shape}" fill="${escapeText(mark.color)}"/>`,
    ),
    ...picture.labels.map(
      (label) =>
        `<text x="${formatCoordinate(label.x)}" y="${formatCoordinate(label.y)}" font-size="${label.size}" text-anchor="${label.anchor}" fill="${escapeText(label.color)}"${label.bold === true ? ' font-weight="600"' : ""}${label.halo === undefined ? "" : ` stroke="${escapeText(label.halo)}" stroke-width="3" stroke-linejoin="round" paint-order="stroke"`}>${escapeText(label.text)}</text>`,
    ),
    `</svg>`,
    "",
  ].join("\n");
}

/** A thin stroke in the same color closes the seams between adjacent faces. */
function renderFaces(faces: readonly Face[]): string[] {
  return joinFaces(faces).map(({ color, shape, title }) => {
    const start = `<path d="${shape}" fill="${escapeText(color)}" stroke="${escapeText(color)}" stroke-width=".4"`;
    return title === undefined ? `${start}/>` : `${start}><title>${escapeText(title)}</title></path>`;
  });
}

function renderStroke({ pieces, color, opacity, width, dash }: Stroke): string {
  const shape = pieces
    .map((piece) => `M${piece.map(({ x, y }) => `${formatCoordinate(x)} ${formatCoordinate(y)}`).join("L")}`)
    .join("");
  const dashAttribute = dash.length === 0 ? "" : ` stroke-dasharray="${dash.join(" ")}"`;
  const opacityAttribute = opacity === 1 ? "" : ` stroke-opacity="${opacity}"`;
  return `<path d="${shape}" fill="none" stroke="${escapeText(color)}" stroke-width="${width}" stroke-linejoin="round"${opacityAttribute}${dashAttribute}/>`;
}

/** Also removes characters that XML does not allow, which a name may contain. */
function escapeText(raw: string): string {
  return (
    raw
      // eslint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "�")
      .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "�")
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
  );
}
