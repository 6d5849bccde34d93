/** A picture as PNG, at twice the size of the screen so that it stays sharp in a paper. */
import { markSize } from "../../src/pictures/placeMarks";
import type { Picture, Stroke } from "../../src/pictures/picture";

const scale = 2;

/** Base64 of the file. */
export function renderPng(picture: Picture): string {
  const canvas = document.createElement("canvas");
  canvas.width = Math.ceil(picture.width * scale);
  canvas.height = Math.ceil(picture.height * scale);
  const context = canvas.getContext("2d")!;
  context.scale(scale, scale);
  context.fillStyle = picture.background;
  context.fillRect(0, 0, picture.width, picture.height);
  for (const { points, color } of picture.faces ?? []) {
    context.fillStyle = color;
    context.strokeStyle = color;
    context.lineWidth = 0.4;
    context.beginPath();
    points.forEach(({ x, y }, i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    context.closePath();
    context.fill();
    context.stroke();
  }
  for (const stroke of picture.grid) paintStroke(context, stroke);
  const { left, top, right, bottom } = picture.area;
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  for (const stroke of picture.strokes) paintStroke(context, stroke);
  context.restore();
  for (const mark of picture.marks) {
    context.save();
    context.translate(mark.x, mark.y);
    context.scale(markSize, markSize);
    context.fillStyle = mark.color;
    context.fill(new Path2D(mark.shape));
    context.restore();
  }
  for (const label of picture.labels) {
    context.font = `${label.bold === true ? "600 " : ""}${label.size}px ${picture.font}`;
    context.textAlign = label.anchor === "middle" ? "center" : label.anchor;
    if (label.halo !== undefined) {
      context.strokeStyle = label.halo;
      context.lineWidth = 3;
      context.lineJoin = "round";
      context.strokeText(label.text, label.x, label.y);
    }
    context.fillStyle = label.color;
    context.fillText(label.text, label.x, label.y);
  }
  return canvas.toDataURL("image/png").slice("data:image/png;base64,".length);
}

function paintStroke(
  context: CanvasRenderingContext2D,
  { pieces, color, opacity, width, dash }: Stroke,
): void {
  context.save();
  context.globalAlpha = opacity;
  context.strokeStyle = color;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash([...dash]);
  context.beginPath();
  for (const piece of pieces)
    piece.forEach(({ x, y }, i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
  context.stroke();
  context.restore();
}
