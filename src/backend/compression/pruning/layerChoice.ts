/** Chooses the layers of a model to keep, by measuring on text. */
import { WorkbenchError } from "../../../protocol/errors";
import type { Checkpoint } from "../../checkpoints/checkpoint";
import { scalar } from "../../graph/op";
import { add, div, mul, sqrt } from "../../graph/ops/elementwise";
import { sum } from "../../graph/ops/reduction";
import { dimensionsOf } from "../../models/model";
import type { Calibration } from "../calibration/batches";
import { type LayerTap, nameLayer } from "../calibration/observe";
import type { Lab } from "../method";
import { keepLayers } from "./keepLayers";

/** Returns the layers to keep, in ascending order. */
type LayerChoice = (
  model: Checkpoint,
  count: number,
  calibration: Calibration,
  lab: Lab,
) => Promise<readonly number[]>;

/**
 * Removes the layer without which the loss on the text is lowest, then the next of what is left. With L layers, it measures
 * the loss L + (L − 1) + … times. Of equal losses the first layer is removed.
 */
export const chooseByLoss: LayerChoice = async (model, count, calibration, lab) => {
  let kept = Array.from({ length: dimensionsOf(model.shape).layers }, (_, i) => i);
  while (kept.length > count) {
    const losses: number[] = [];
    for (const layer of kept) {
      if (lab.signal.aborted) throw new WorkbenchError("cancelled", "The method was stopped.");
      const fewer = keepLayers(
        model,
        kept.filter((each) => each !== layer),
      );
      losses.push((await lab.gradients(fewer, new Set(), calibration)).loss);
    }
    const best = losses.indexOf(Math.min(...losses));
    lab.log(`Without layer ${kept[best]!} the loss on the calibration text is ${losses[best]!.toFixed(4)}.`);
    kept = kept.filter((_, i) => i !== best);
  }
  return kept;
};

/**
 * Keeps the layers with the largest block influence, 1 − cosine of a layer's input and output, averaged over the tokens
 * (Men et al. 2024, equation 1). Of equal influences the first layer is removed.
 */
export const chooseByInfluence: LayerChoice = async (model, count, calibration, lab) => {
  const influences = await measureInfluence(model, calibration, lab);
  const order = influences.map((_, layer) => layer).sort((a, b) => influences[a]! - influences[b]! || a - b);
  lab.log(`Block influence by layer: ${influences.map((each) => each.toFixed(4)).join(", ")}.`);
  return order.slice(order.length - count).sort((a, b) => a - b);
};

const cosineTap: LayerTap = (input, output, counted) => {
  const dot = (x: typeof input, y: typeof input) => sum(mul(x, y), { axes: [1], keepDims: true });
  const sizes = sqrt(mul(dot(input, input), dot(output, output)));
  const cosines = div(dot(input, output), add(sizes, scalar(1e-12)));
  return {
    cosines: sum(mul(cosines, counted), { axes: [0], keepDims: false }),
    count: sum(counted, { axes: [0], keepDims: false }),
  };
};

/** Returns 1 − cosine of each layer's input and output. */
export async function measureInfluence(
  model: Checkpoint,
  calibration: Calibration,
  lab: Pick<Lab, "observe">,
): Promise<number[]> {
  const observed = await lab.observe(model, new Map(), calibration, cosineTap);
  return Array.from({ length: dimensionsOf(model.shape).layers }, (_, layer) => {
    const { cosines, count } = observed.get(nameLayer(layer))!;
    return 1 - cosines![0]! / count![0]!;
  });
}
