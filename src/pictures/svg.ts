/** A picture as SVG: real vectors and text, without scripts or external content. */
import { markSize } from "./markPlaces";
import type { Face, Picture, Stroke } from "./picture";

/** `id` distinguishes the pictures of one page. */
export function svgOf(picture: Picture, id = "area"): string {
  const { area, width, height } = picture;
  const inside = `<clipPath id="${id}"><rect x="${n(area.left)}" y="${n(area.top)}" width="${n(area.right - area.left)}" height="${n(area.bottom - area.top)}"/></clipPath>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${n(width)}" height="${n(height)}" viewBox="0 0 ${n(width)} ${n(height)}" font-family="${text(picture.font)}">`,
    `<title>${text(picture.title)}</title>`,
    `<defs>${inside}</defs>`,
    `<rect width="100%" height="100%" fill="${text(picture.background)}"/>`,
    ...facePaths(picture.faces ?? []),
    ...picture.grid.map(path),
    `<g clip-path="url(#${id})">`,
    ...picture.strokes.map(path),
    `</g>`,
    ...picture.marks.map(
      (mark) =>
        `<path transform="translate(${n(mark.x)} ${n(mark.y)}) scale(${markSize})" d="${mark.shape}" fill="${text(mark.color)}"/>`,
    ),
    ...picture.labels.map(
      (label) =>
        `<text x="${n(label.x)}" y="${n(label.y)}" font-size="${label.size}" text-anchor="${label.anchor}" fill="${text(label.color)}"${label.bold === true ? ' font-weight="600"' : ""}>${text(label.text)}</text>`,
    ),
    `</svg>`,
    "",
  ].join("\n");
}

/** Adjacent faces of one color form one path; its thin stroke in the same color closes the seams between them. */
function facePaths(faces: readonly Face[]): string[] {
  const paths: { color: string; shape: string }[] = [];
  for (const { points, color } of faces) {
    const shape = `M${points.map(({ x, y }) => `${n(x)} ${n(y)}`).join("L")}Z`;
    const last = paths.at(-1);
    if (last?.color === color) last.shape += shape;
    else paths.push({ color, shape });
  }
  return paths.map(
    ({ color, shape }) =>
      `<path d="${shape}" fill="${text(color)}" stroke="${text(color)}" stroke-width=".4"/>`,
  );
}

function path({ pieces, color, opacity, width, dash }: Stroke): string {
  const shape = pieces.map((piece) => `M${piece.map(({ x, y }) => `${n(x)} ${n(y)}`).join("L")}`).join("");
  const dashes = dash.length === 0 ? "" : ` stroke-dasharray="${dash.join(" ")}"`;
  const faint = opacity === 1 ? "" : ` stroke-opacity="${opacity}"`;
  return `<path d="${shape}" fill="none" stroke="${text(color)}" stroke-width="${width}" stroke-linejoin="round"${faint}${dashes}/>`;
}

/** A hundredth of a pixel is not visible. */
function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** Also removes characters that XML does not allow, which a name may contain. */
function text(raw: string): string {
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
