/** Measures how the time of a step grows with width, depth, sequence length and batch size. A jump points to a performance fault. */
import type { Engine } from "../engine/engine";
import { createShape } from "../models/model";
import { measureSpeed, type Speed, standardGpt } from "./trainingSpeed";

export const axes = ["width", "layers", "sequence", "batch"] as const;
export type Axis = (typeof axes)[number];

export interface CostRow {
  readonly axis: Axis;
  readonly value: number;
  readonly speed: Speed;
}

const base: Readonly<Record<Axis, number>> = { width: 192, layers: 3, sequence: 128, batch: 4 };
const values: Readonly<Record<Axis, readonly number[]>> = {
  width: [96, 192, 384, 768],
  layers: [1, 3, 6, 12],
  sequence: [64, 128, 256, 512],
  batch: [1, 4, 8, 16],
};
const headWidth = 32;

/** Varies one axis at a time; the others keep their base value. */
export async function* measureCosts(engine: Engine): AsyncGenerator<CostRow> {
  for (const axis of axes)
    for (const value of values[axis]) {
      const sizes: Record<Axis, number> = { ...base };
      sizes[axis] = value;
      const { width, layers, sequence, batch } = sizes;
      const config = {
        ...standardGpt,
        n_embd: width,
        n_layer: layers,
        n_head: width / headWidth,
        n_positions: sequence,
      };
      yield {
        axis,
        value,
        speed: await measureSpeed(engine, {
          shape: createShape(config),
          rows: batch,
          length: sequence,
          steps: 5,
          warmup: 2,
        }),
      };
    }
}
