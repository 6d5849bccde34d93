/** A chart as a static picture in pixels, the input of every painter. */
import type { Point } from "./placeMarks";

export interface Stroke {
  /** Connected points; a gap starts a new piece. */
  readonly pieces: readonly (readonly Point[])[];
  readonly color: string;
  readonly opacity: number;
  readonly width: number;
  readonly dash: readonly number[];
}

/** A filled outline. */
export interface Face {
  readonly points: readonly Point[];
  readonly color: string;
  /** Shown while the pointer is over it. */
  readonly title?: string;
}

export interface Mark extends Point {
  /** In the path language of SVG. */
  readonly shape: string;
  readonly color: string;
}

export interface Label extends Point {
  readonly text: string;
  readonly color: string;
  readonly anchor: "start" | "middle" | "end";
  readonly size: number;
  readonly bold?: boolean;
  /** A color around the letters, where they are over lines. */
  readonly halo?: string;
}

/** Cells in rows that the pointer and the arrow keys can read. */
export interface Readings {
  /** Where rows begin and the last one ends, in pixels: one more than there are rows. */
  readonly y: readonly number[];
  /** The same of the cells of each row. */
  readonly x: readonly (readonly number[])[];
  readonly describe: (row: number, cell: number) => string;
}

export interface Picture {
  readonly title: string;
  readonly width: number;
  readonly height: number;
  readonly background: string;
  readonly font: string;
  readonly area: {
    readonly left: number;
    readonly top: number;
    readonly right: number;
    readonly bottom: number;
  };
  /** Drawn in their order, under all lines. */
  readonly faces?: readonly Face[];
  /** Clipped to the area. */
  readonly strokes: readonly Stroke[];
  readonly grid: readonly Stroke[];
  readonly marks: readonly Mark[];
  readonly labels: readonly Label[];
  readonly readings?: Readings;
}
