/** Faces as paths of SVG: few elements for many cells. */
import type { Face } from "./picture";

export interface FacePath {
  readonly color: string;
  /** In the path language of SVG. */
  readonly shape: string;
  readonly title?: string | undefined;
}

/** Adjacent faces of one color without titles are one path, so that their order stays. */
export function joinFaces(faces: readonly Face[]): FacePath[] {
  const paths: { readonly color: string; shape: string; readonly title: string | undefined }[] = [];
  for (const { points, color, title } of faces) {
    const shape = `M${points.map(({ x, y }) => `${formatCoordinate(x)} ${formatCoordinate(y)}`).join("L")}Z`;
    const last = paths.at(-1);
    if (last?.color === color && last.title === undefined && title === undefined) last.shape += shape;
    else paths.push({ color, shape, title });
  }
  return paths;
}

/** A hundredth of a pixel is not visible. */
export function formatCoordinate(value: number): string {
  return String(Math.round(value * 100) / 100);
}
