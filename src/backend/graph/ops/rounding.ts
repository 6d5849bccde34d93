/** Rounding to whole numbers. */
import { defineOp, type Value } from "../op";
import type { Unary } from "./elementwise";

/** Returns the nearest whole numbers, and the even one of two that are equally near. */
export const round: Unary = defineOp<[Value]>({
  name: "round",
  onnx: "Round",
  infer: ([x]) => x,
  gradient: "zero",
  evaluate: ([x]) => x.data.map(roundToEven),
  samples: [{ inputs: [[2, 3]], range: [-2, 2], attrs: {} }],
});

function roundToEven(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return rest < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}
